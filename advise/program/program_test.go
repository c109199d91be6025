package program

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mainstemdb/mainstem/advise"
	"github.com/mainstemdb/mainstem/advise/workload"
)

var update = flag.Bool("update", false, "write the programs anew")

// written is where programs are kept that another test compiles and runs.
const written = "../../cmd/mainstem/internal/decided"

func answer(t *testing.T, file string) *advise.Answer {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return described(t, string(text))
}

func described(t *testing.T, text string) *advise.Answer {
	t.Helper()
	w, err := workload.Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return advise.Advise(w)
}

// TestProgramsAreFresh: the programs that are compiled and run are those that are written today.
func TestProgramsAreFresh(t *testing.T) {
	var files []string
	for _, pattern := range []string{"../../examples/workloads/*.yaml", "testdata/*.yaml"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatal(pattern, err)
		}
		files = append(files, found...)
	}
	programs := 0
	for _, file := range files {
		a := answer(t, file)
		parts, err := Package(a)
		if len(a.TurnedAway) > 0 {
			if err != ErrNothing {
				t.Errorf("%s is turned away, and has a program: %v", file, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		programs++
		for _, part := range parts {
			name := filepath.Join(written, part.Name)
			if *update {
				if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(name, part.Text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if kept, err := os.ReadFile(name); err != nil || !bytes.Equal(kept, part.Text) {
				t.Errorf("%s is not what is written today; run go test ./program -update, and the tests of %s", name, written)
			}
		}
	}
	if programs < 14 {
		t.Errorf("%d programs", programs)
	}
}

// TestFiles: a command, its module, and the package; the same twice.
func TestFiles(t *testing.T) {
	for _, name := range []string{"feed", "payments"} {
		a := answer(t, "../../examples/workloads/"+name+".yaml")
		files, err := Files(a, "v0.1.0")
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, f := range files {
			names = append(names, f.Name)
		}
		if got := strings.Join(names, " "); got != "go.mod main.go "+name+"/"+name+".go "+name+"/show.go "+name+"/follow.go" {
			t.Errorf("files are %s", got)
		}
		if mod := string(files[0].Text); !strings.Contains(mod, "github.com/mainstemdb/mainstem v0.1.0") || strings.Contains(mod, "pgx") != (name == "payments") {
			t.Errorf("go.mod is\n%s", mod)
		}
		again, err := Files(a, "v0.1.0")
		if err != nil || len(again) != len(files) {
			t.Fatal(err)
		}
		for i := range files {
			if !bytes.Equal(files[i].Text, again[i].Text) {
				t.Errorf("%s differs from itself", files[i].Name)
			}
		}
	}
}

// TestNothingToShow: from too little there is no program.
func TestNothingToShow(t *testing.T) {
	for _, text := range []string{"", "about: {name: x}\n", "operations: [{name: a, kind: read}]\n", "scope: {hard_deadline: yes}\n"} {
		if files, err := Files(described(t, text), "v0.1.0"); err != ErrNothing {
			t.Errorf("%q: %d files, %v", text, len(files), err)
		}
	}
}

func TestNames(t *testing.T) {
	for title, want := range map[string]string{
		"Feed reader": "feedreader", "": "workload", "2nd": "workload2nd", "go": "goservice", "context": "contextservice", "日本": "workload",
	} {
		if got := packageName(title); got != want {
			t.Errorf("the package of %q is %q, want %q", title, got, want)
		}
	}
	names := taken{}
	for _, c := range [][2]string{
		{"show", "Show2"},
		{"show", "Show3"},
		{"look at it", "LookAtIt"},
		{"hold", "Hold"},
		{"hold seat", "DoHoldSeat"},
		{"2", "The2"},
		{"", "The"},
		{"日本", "The3"},
	} {
		if got := names.exported(c[0]); got != c[1] {
			t.Errorf("%q is called %q, want %q", c[0], got, c[1])
		}
	}
}
