package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mainstemdb/mainstem/advise/workload"
)

// guides is the folder with the two documents: MAINSTEM_GUIDES, or the one
// beside the repository where it is checked out for the tests.
func guides(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("MAINSTEM_GUIDES")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "seeds")
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		t.Skipf("not run: whether every line of the guides is accounted for; %s is not there, set MAINSTEM_GUIDES to their folder", dir)
	}
	return dir
}

// TestEveryLineIsAccountedFor: every line of both guides that is not blank is
// listed with the sum it has, and nothing else is listed.
func TestEveryLineIsAccountedFor(t *testing.T) {
	dir := guides(t)
	found, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil || len(found) != len(Documents()) {
		t.Fatalf("%d guides in %s, want %d (%v)", len(found), dir, len(Documents()), err)
	}
	for _, d := range Documents() {
		text, err := os.ReadFile(filepath.Join(dir, d.File))
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range unaccounted(d, string(text)) {
			t.Error(bad)
		}
	}
}

// unaccounted compares a document with its list.
func unaccounted(d Document, text string) (bad []string) {
	listed := map[int]Line{}
	for _, l := range d.Lines {
		listed[l.Number] = l
	}
	for i, line := range strings.Split(text, "\n") {
		if strings.TrimSpace(line) == "" {
			continue
		}
		sum := sha256.Sum256([]byte(line))
		l, ok := listed[i+1]
		switch {
		case !ok:
			bad = append(bad, d.ID+": a line that is not listed: "+line)
		case l.Sum != hex.EncodeToString(sum[:])[:12]:
			bad = append(bad, d.ID+": a line that has changed: "+line)
		}
		delete(listed, i+1)
	}
	for n := range listed {
		bad = append(bad, d.ID+": listed, and not there: "+listed[n].Sum)
	}
	return bad
}

// TestUnaccountedSeesChanges breaks a list in each way.
func TestUnaccountedSeesChanges(t *testing.T) {
	sum := sha256.Sum256([]byte("a"))
	d := Document{ID: "x", Lines: []Line{{Number: 1, Sum: hex.EncodeToString(sum[:])[:12]}}}
	for text, want := range map[string]int{"a": 0, "a\n\n": 0, "b": 1, "a\nb": 1, "": 1} {
		if bad := unaccounted(d, text); len(bad) != want {
			t.Errorf("%q: %v, want %d", text, bad, want)
		}
	}
}

// TestSources: lists and rules say the same, in both directions, and fields
// refer to lines that exist.
func TestSources(t *testing.T) {
	exists := map[string]map[int]bool{}
	for _, d := range Documents() {
		exists[d.ID] = map[int]bool{}
		for _, l := range d.Lines {
			exists[d.ID][l.Number] = true
			if want := From(d.ID, l.Number); !slices.Equal(l.Rules, want) {
				t.Errorf("%s:%d lists %v; the rules that cite it are %v", d.ID, l.Number, l.Rules, want)
			}
			if (len(l.Rules) > 0) == (l.Narrative != "") {
				t.Errorf("%s:%d has neither a rule nor a reason, or both", d.ID, l.Number)
			}
		}
	}
	check := func(who, source string) {
		d, first, last, err := lines(source)
		if err != nil || !exists[d][first] || !exists[d][last] {
			t.Errorf("%s comes from %s, which is no line: %v", who, source, err)
		}
	}
	for _, r := range All() {
		for _, s := range r.Source {
			check(r.ID, s)
		}
	}
	for _, th := range Thresholds() {
		for _, s := range th.Source {
			check(th.Name, s)
		}
	}
	for _, s := range workload.Sections() {
		for _, f := range s.Fields {
			for _, src := range f.Sources {
				check(f.Path, src)
			}
		}
	}
	for _, bad := range []string{"", "000", "000:0", "000:x", "000:5-3", "000:-"} {
		if _, _, _, err := lines(bad); err == nil {
			t.Errorf("%q passes as a source", bad)
		}
	}
}
