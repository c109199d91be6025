package tidy

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

// rules are all rules of this repository, by the name of their subtest.
var rules = []struct {
	name  string
	check func(*tree) []violation
}{
	{"parse", func(t *tree) []violation { return t.bad }},
	{"format", formatting},
	{"size", size},
	{"interface", interfaces},
	{"name", names},
	{"floor", floorRule},
	{"room", rooms},
	{"pure", pure},
	{"maprange", mapRanges},
	{"note", notes},
	{"workplace", workplace},
	{"sleep", sleeps},
	{"skip", skips},
	{"panic", panics},
	{"doc", docs},
	{"link", links},
	{"law", laws},
	{"module", modules},
}

// TestRepository applies every rule to every module of this repository.
func TestRepository(t *testing.T) {
	repo, err := readTree(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	if len(repo.goFiles()) < 2 || !repo.paths["go.work"] {
		t.Fatalf("tidy: %d Go files and go.work present: %t: these rules do not see the repository; run the test in its own directory",
			len(repo.goFiles()), repo.paths["go.work"])
	}
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			for _, v := range r.check(repo) {
				t.Error(v)
			}
		})
	}
}

// plant is a small repository with a fault in it.
type plant map[string]string

// red checks that a rule finds exactly the planted faults. Each want is the
// beginning of one violation, in order.
func red(t *testing.T, check func(*tree) []violation, p plant, want ...string) {
	t.Helper()
	m := fstest.MapFS{}
	for name, text := range p {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	planted, err := readTree(m)
	if err != nil {
		t.Fatal(err)
	}
	got := check(planted)
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(want):
			t.Errorf("more than was planted: %s", got[i])
		case i >= len(got):
			t.Errorf("not found: %s", want[i])
		case !strings.HasPrefix(got[i].String(), want[i]):
			t.Errorf("found %s\nwant  %s", got[i], want[i])
		case got[i].do == "":
			t.Errorf("%s: does not say what to do", got[i])
		}
	}
}

func TestParseGoesRed(t *testing.T) {
	red(t, func(t *tree) []violation { return t.bad },
		plant{
			"a.go":          "package a\nfunc {",
			"testdata/b.go": "not Go, and not looked at",
			"c.go":          "package a\n",
		},
		"a.go: does not parse")
}
