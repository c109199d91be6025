package cli_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mainstemdb/mainstem/advise"
	"github.com/mainstemdb/mainstem/advise/ask"
	"github.com/mainstemdb/mainstem/advise/workload"
)

// payments is the largest of the worked workloads.
func payments(t *testing.T) (string, *workload.Workload) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "examples", "workloads", "payments.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	w, err := workload.Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), w
}

// answers are the lines of somebody who knows a workload, to the end.
func answers(t *testing.T, w *workload.Workload) (lines []string) {
	t.Helper()
	i := ask.Begin(new(workload.Workload))
	for q, more := i.Next(); more; q, more = i.Next() {
		line := w.Get(q.Path).String()
		switch n, _ := w.Count(q.Path); {
		case q.About == ask.Part:
			line = "yes"
		case q.About == ask.Element:
			if so, _ := i.Workload().Count(q.Path); n > so {
				line = "y"
			} else {
				line = "n"
			}
		}
		if line == workload.Unknown {
			line = ""
		}
		if err := i.Answer(line); err != nil {
			t.Fatalf("%s %q: %v", q.Path, line, err)
		}
		lines = append(lines, line)
	}
	return lines
}

// TestAskToTheEnd answers every question over a pipe. The file that is left says
// what was answered, and the answer is that of the file.
func TestAskToTheEnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, w := payments(t)
	lines := answers(t, w)
	got := mainstem(t, dir, strings.Join(lines, "\n")+"\nleft over\n", "advise", "ask", "shop.yaml", "--as", "json")
	if got.code != 0 || strings.Count(got.err, "\n> ") != len(lines) {
		t.Fatalf("exit code %d after %d questions, want %d\n%s", got.code, strings.Count(got.err, "\n> "), len(lines), got.err)
	}
	file := mainstem(t, dir, "", "advise", "shop.yaml", "--as", "json")
	if file.out != got.out {
		t.Error("the file that was left has another answer than was printed")
	}
	var a advise.Answer
	if err := json.Unmarshal([]byte(got.out), &a); err != nil {
		t.Fatal(err)
	}
	want := advise.Advise(w)
	if len(a.Decisions) != len(want.Decisions) || len(a.Exposures) != len(want.Exposures) {
		t.Errorf("%d decisions and %d exposures, want %d and %d", len(a.Decisions), len(a.Exposures), len(want.Decisions), len(want.Exposures))
	}
	if again := mainstem(t, dir, "", "advise", "ask", "shop.yaml", "--as", "json"); again.out != got.out || strings.Contains(again.err, "What is the system called") {
		t.Errorf("gone on with, it asks again, or decides otherwise:\n%s", again.err)
	}
}

// TestAskWithoutAFile is the short form: the file is workload.yaml, and new.
func TestAskWithoutAFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	got := mainstem(t, dir, "shop\n\nno\nno\nno\nno\nmaybe\n y \nyes\n/back\nyes\n/skip\n/stop\nno\n", "advise")
	text, err := os.ReadFile(filepath.Join(dir, "workload.yaml"))
	if err != nil || got.code != 0 || !strings.Contains(got.out, "### 1. Linearizability") {
		t.Fatalf("exit code %d, %v\n%s", got.code, err, got.err)
	}
	for _, want := range []string{"name: shop", "strong: yes", "coordination_bearable: yes", "ordering_needed: unknown"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for _, want := range []string{
		`not taken: "maybe" is neither yes nor no`, "-> decided: Linearizability", "-> no longer: Linearizability", "why: ", "not knowing it: ",
		"then says what to decide", "Questions still open: ", "mainstem advise ask workload.yaml ",
	} {
		if !strings.Contains(got.err, want) {
			t.Errorf("%q is not said:\n%s", want, got.err)
		}
	}
	if strings.Contains(got.err, "\x1b") {
		t.Error("colours, and it is no terminal")
	}
	if again := mainstem(t, dir, "", "advise"); again.code != 2 || !strings.Contains(again.err, "workload.yaml is there already; go on with it") {
		t.Errorf("a second time: exit code %d, %s", again.code, again.err)
	}
}

// TestAskLeavesTheFileWhole: what was answered is there, whatever ends it; of
// nothing that was answered, nothing is.
func TestAskLeavesTheFileWhole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, c := range []struct{ name, stdin, want string }{
		{"text.yaml", "a\n/stop\nb\n", "about:\n  name: a\n"},
		{"end.yaml", "a", "about:\n  name: a\n"},
	} {
		got := mainstem(t, dir, c.stdin, "advise", "ask", c.name)
		text, err := os.ReadFile(filepath.Join(dir, c.name))
		if got.code != 0 || err != nil || string(text) != c.want {
			t.Errorf("%s: exit code %d, %v, %q", c.name, got.code, err, text)
		}
	}
	for stdin, want := range map[string]int{"": 2, "/stop\n": 0} {
		got := mainstem(t, dir, stdin, "advise", "ask", "nothing.yaml")
		if _, err := os.Lstat(filepath.Join(dir, "nothing.yaml")); got.code != want || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("of no answer: exit code %d, %v, %s", got.code, err, got.err)
		}
	}
	mine := "about: {name: a}\n"
	if err := os.WriteFile(filepath.Join(dir, "mine.yaml"), []byte(mine), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		file, want string
		args       []string
	}{
		{"mine.yaml", mine, []string{"mine.yaml"}},
		{"other.yaml", "about:\n  name: a\n", []string{"mine.yaml", "-o", "other.yaml"}},
	} {
		got := mainstem(t, dir, "", append([]string{"advise", "ask"}, c.args...)...)
		if text, err := os.ReadFile(filepath.Join(dir, c.file)); got.code != 0 || err != nil || string(text) != c.want {
			t.Errorf("without a further answer, %s: exit code %d, %v, %q", c.file, got.code, err, text)
		}
	}
	long := mainstem(t, dir, "a\n"+strings.Repeat("x", 70<<10)+"\n", "advise", "ask", "long.yaml")
	if text, err := os.ReadFile(filepath.Join(dir, "long.yaml")); long.code != 2 || err != nil || !strings.Contains(string(text), "name: a") {
		t.Errorf("a line that is too long: exit code %d, %v, %s", long.code, err, long.err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*.yaml.*"))
	if err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
}

func TestAskRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"notes.yaml": "# mine\nabout: {name: a}\n", "wrong.yaml": "abut: {}\n", "good.yaml": "about: {name: a}\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		want string
		args []string
	}{
		{"notes.yaml has comments, which answers written to it would lose; name a new file with -o", []string{"ask", "notes.yaml"}},
		{`abut: no such field, did you mean "about"?`, []string{"ask", "wrong.yaml"}},
		{"good.yaml is there already", []string{"ask", "notes.yaml", "-o", "good.yaml"}},
		{"good.yaml is there already", []string{"-o", "good.yaml"}},
		{"-o and --plain go with questions", []string{"good.yaml", "--plain"}},
		{"-o and --plain go with questions", []string{"good.yaml", "-o", "x.yaml"}},
		{"answers are read from standard input", []string{"ask", "-"}},
		{"answers are read from standard input", []string{"ask", "-", "-o", "new.yaml"}},
		{"--go takes a description", []string{"--go", "shop"}},
		{"no/new.yaml", []string{"ask", "no/new.yaml"}},
	} {
		got := mainstem(t, dir, "a\n", append([]string{"advise"}, c.args...)...)
		if got.code == 0 || !strings.Contains(got.err, c.want) || got.out != "" {
			t.Errorf("%v: exit code %d, %s, want %s", c.args, got.code, got.err, c.want)
		}
	}
	if got := mainstem(t, dir, "", "advise", "ask", "notes.yaml", "-o", "new.yaml"); got.code != 0 {
		t.Errorf("from a file with comments to another: %s", got.err)
	}
}

// TestAskAsJSON: questions, refusals and the answer are lines of JSON.
func TestAskAsJSON(t *testing.T) {
	t.Parallel()
	got := mainstem(t, t.TempDir(), "a\n\nperhaps\nno\n/stop\n", "advise", "ask", "shop.yaml", "--json")
	if got.code != 0 || got.err != "" {
		t.Fatalf("exit code %d, %s", got.code, got.err)
	}
	wantJSON(t, "advise ask", got.out)
	var seen []string
	for line := range strings.Lines(got.out) {
		for _, kind := range []string{"question", "refused", "answer"} {
			if strings.HasPrefix(line, `{"`+kind+`":`) {
				seen = append(seen, kind)
			}
		}
	}
	if strings.Join(seen, " ") != "question question question refused question question answer" {
		t.Errorf("%v", seen)
	}
}
