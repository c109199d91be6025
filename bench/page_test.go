package main

import (
	"os"
	"strings"
	"testing"
)

const (
	guarantees = "../docs/reference/guarantees.md"
	figures    = "../docs/reference/levels.json"
)

// TestPageIsFresh: what the page of guarantees says of engines and reads is what the
// engines and the kept figures say.
func TestPageIsFresh(t *testing.T) {
	want, err := newPage(guarantees, figures)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(guarantees)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is stale: run make bench-page", guarantees)
	}
}

// TestPageNeedsItsParts: a page without the marks, and figures of something else, are
// refused, and the page is left as it was.
func TestPageNeedsItsParts(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return dir + "/" + name
	}
	bare, other := write("bare.md", "# Nothing\n"), write("other.json", `{"scenario":"cas"}`)
	for _, c := range [][]string{{"-page", bare, "-levels", figures}, {"-page", guarantees, "-levels", other}, {"-page", bare}} {
		if code, _, said := bench(t, c...); code == 0 {
			t.Errorf("%v: it went well: %s", c, said)
		}
	}
	if text, err := os.ReadFile(bare); err != nil || string(text) != "# Nothing\n" {
		t.Errorf("the page is now %q, %v", text, err)
	}
}

// TestPageOfLevels: each engine has a row for each level, and none that promises the
// newest is stale.
func TestPageOfLevels(t *testing.T) {
	t.Parallel()
	s := schema(t)
	r := report(t, s, "-scenario", "levels", "-seconds", "2", "-rounds", "1")
	seen := map[string]int{}
	for _, row := range r.Results {
		seen[row.Settings["engine"]]++
		fresh := row.Level == "latest" || row.Level == "at least" || row.Level == "as of" || row.Settings["engine"] == "file"
		if fresh && *row.StaleMax > 0.1 {
			t.Errorf("%s, %s: a read was stale by %.1f µs (L8)", row.Settings["engine"], row.Level, *row.StaleMax)
		}
		if row.Level == "within 1 s" && *row.StaleMax > 1e6 {
			t.Errorf("%s: a read within 1 s was stale by %.0f µs (L8)", row.Settings["engine"], *row.StaleMax)
		}
	}
	for _, m := range r.Missing {
		t.Logf("%s was not run: %s", m.System, m.Why)
	}
	for engine, n := range seen {
		if n != len(readLevels) {
			t.Errorf("%s has %d rows, want %d", engine, n, len(readLevels))
		}
	}
	if table := aboutLevels(r); strings.Count(table, "\n| ") != len(r.Results)+1 {
		t.Errorf("the table does not have %d rows:\n%s", len(r.Results), table)
	}
}
