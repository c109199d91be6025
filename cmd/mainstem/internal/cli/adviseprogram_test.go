package cli_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestAdviseGoRuns writes two programs as a user does, compiles them against this repository,
// and runs them: one needs nothing, the other says what it needs.
func TestAdviseGoRuns(t *testing.T) {
	root, err := filepath.Abs("../../../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"feed", "payments"} {
		got := mainstem(t, dir, "", "advise", filepath.Join(root, "examples/workloads", name+".yaml"), "--go", name)
		for _, want := range []string{"go mod edit -replace github.com/mainstemdb/mainstem=MAINSTEM", "go.mod", filepath.Join(name, "show.go")} {
			if got.code != 0 || !strings.Contains(got.out, want) {
				t.Fatalf("%s: exit code %d, without %s:\n%s%s", name, got.code, want, got.out, got.err)
			}
		}
	}
	tidied(t, root, dir, "feed", "payments")
	// A workspace has the versions of this repository, so that nothing is fetched and little is compiled.
	work := fmt.Sprintf("go 1.26.0\n\nuse (\n\t%s\n\t%s/advise\n\t%s/cmd/mainstem\n\t./feed\n\t./payments\n)\n", root, root, root)
	if err := os.WriteFile(filepath.Join(dir, "go.work"), []byte(work), 0o600); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("../decided/testdata/feed.txt")
	if err != nil {
		t.Fatal(err)
	}
	if said, err := runsAs(t, dir, "feed"); err != nil || said != string(want) {
		t.Errorf("%v; it says\n%s\nand not\n%s", err, said, want)
	}
	if said, err := runsAs(t, dir, "payments"); err == nil || !strings.Contains(said, "set DATABASE_URL") {
		t.Errorf("%v; without a server it says\n%s", err, said)
	}
}

// tidied adds to go.mod what go mod tidy adds when it may ask for versions: those of this repository.
func tidied(t *testing.T, root, dir string, names ...string) {
	t.Helper()
	ours, err := os.ReadFile(filepath.Join(root, "cmd", "mainstem", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	_, requires, _ := strings.Cut(string(ours), "\nrequire ")
	requires, _, _ = strings.Cut(requires, "\nreplace ")
	for _, name := range names {
		file := filepath.Join(dir, name, "go.mod")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(string(text)+"\nrequire "+requires), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// runsAs builds a program and runs it.
func runsAs(t *testing.T, dir, name string) (said string, err error) {
	t.Helper()
	build := exec.Command("go", "build", "-o", filepath.Join(dir, name+".exe"), "./"+name)
	build.Dir = dir
	build.Env = append(os.Environ(), "GOWORK="+filepath.Join(dir, "go.work"), "GOFLAGS=", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%s does not build: %v\n%s", name, err, out)
	}
	run := exec.Command(filepath.Join(dir, name+".exe"))
	run.Env = append(os.Environ(), "DATABASE_URL=")
	out, err := run.CombinedOutput()
	return string(out), err
}

// TestAdviseGoRefuses: it writes over nothing, and nothing from too little.
func TestAdviseGoRefuses(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mine.go"), []byte("package mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	feed, err := filepath.Abs("../../../../examples/workloads/feed.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if got := mainstem(t, dir, "", "advise", feed, "--go", "."); got.code != 2 || !strings.Contains(got.err, "is not empty") {
		t.Errorf("into a directory with something: exit code %d, %s", got.code, got.err)
	}
	if got := mainstem(t, dir, "about: {name: x}\n", "advise", "-", "--go", "new"); got.code != 2 || !strings.Contains(got.err, "nothing that a program could show") {
		t.Errorf("from nothing: exit code %d, %s", got.code, got.err)
	}
	if _, err := os.Stat(filepath.Join(dir, "new")); !os.IsNotExist(err) {
		t.Errorf("from nothing there is a directory: %v", err)
	}
	got := mainstem(t, dir, "", "advise", feed, "--go", "new", "--json")
	if wantJSON(t, "advise --go", got.out); got.code != 0 || !strings.Contains(got.out, `"run":`) {
		t.Errorf("exit code %d, %s", got.code, got.out)
	}
}
