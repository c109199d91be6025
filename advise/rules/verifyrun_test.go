package rules

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// inSteps are commands that take long, or build another workspace: the step of make test that
// runs them whole or in short, and the text by which it can be seen there.
var inSteps = map[string]struct{ step, file, text string }{
	"make payments-demo":                 {"examples-test", "examples/payments/demo_test.go", "func TestDemo("},
	"cd bench && go run . -scenario cas": {"bench-test", "bench/bench_test.go", "range scenarios"},
	"go test ./internal/laws -run TestEveryLawHasACheckThatGoesRed -tags breaklaw": {"breaklaw", "Makefile", "-tags breaklaw ./internal/laws/..."},
	"make cluster-demo":    {"suite", "cmd/mainstem/internal/demo/demo_ext_test.go", `"--cluster", "postgres"`},
	"mainstem pg status":   {"suite", "cmd/mainstem/internal/cli/pg_test.go", `"status")`},
	"mainstem pg requests": {"suite", "cmd/mainstem/internal/cli/pglist_test.go", `"requests"`},
}

// inShort are commands of the binary, with what makes them short, or whole.
var inShort = map[string][]string{
	"go run ./cmd/mainstem demo": {"demo", "--seconds", "1", "--kills", "1", "--shoppers", "8"},
	"mainstem advise calc":       {"advise", "calc"},
	"mainstem advise report":     {"advise", "report", "examples/workloads/booking.yaml", "--as", "gates"},
}

var passed = regexp.MustCompile(`(?m)^--- PASS: (\S+)`)

// TestChecksAreRun runs every command by which a rule says that it can be checked: the tests that
// a pattern names are there, pass, and are not skipped; what is not there yet says so instead.
func TestChecksAreRun(t *testing.T) {
	patterns, commands := map[string][]string{}, map[string]bool{}
	for _, r := range All() {
		for _, c := range r.Verify {
			if m := goTest.FindStringSubmatch(c.Run); m != nil && m[3] == "" && !slices.Contains(patterns[m[1]], m[2]) {
				patterns[m[1]] = append(patterns[m[1]], m[2])
			} else if (m == nil || m[3] != "") && c.Run != "" {
				commands[c.Run] = true
			}
		}
	}
	if len(patterns) < 5 || len(commands) < 6 {
		t.Fatalf("%d packages, %d other commands: this does not see the checks", len(patterns), len(commands))
	}
	for _, pkg := range slices.Sorted(maps.Keys(patterns)) {
		t.Run(pkg, func(t *testing.T) {
			t.Parallel() // they wait for servers more than they compute
			tested(t, pkg, patterns[pkg])
		})
	}
	binary := filepath.Join(t.TempDir(), "mainstem")
	if out, err := command("go", "build", "-o", binary, "./cmd/mainstem").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, run := range slices.Sorted(maps.Keys(commands)) {
		if step, ok := inSteps[run]; ok {
			if err := stepRuns(step.step, step.file, step.text); err != nil {
				t.Errorf("%s: %v", run, err)
			}
			continue
		}
		args, ok := inShort[run]
		if !ok {
			t.Errorf("%s is run by nobody: add it to one of the tables above", run)
			continue
		}
		if out, err := command(binary, args...).CombinedOutput(); err != nil || len(out) == 0 {
			t.Errorf("%s: %v\n%s", run, err, out)
		}
	}
	for run := range inSteps {
		if !commands[run] {
			t.Errorf("no rule has %s any more", run)
		}
	}
}

// command runs in the repository, a tenth of the rounds: the suite runs all of them.
func command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = repository, append(os.Environ(), "MAINSTEM_ROUNDS=0.1")
	return cmd
}

// tested runs the tests of a package that rules name, at once.
func tested(t *testing.T, pkg string, patterns []string) {
	t.Helper()
	out, err := command("go", "test", "-v", pkg, "-run", "^("+strings.Join(patterns, "|")+")").CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", pkg, err, out)
	}
	names := passed.FindAllSubmatch(out, -1)
	if len(names) == 0 && bytes.Contains(out, []byte("not run: ")) {
		t.Skipf("not run: nothing of %s runs here:\n%s", pkg, out)
	}
	for _, p := range patterns {
		re := regexp.MustCompile("^" + p)
		if !slices.ContainsFunc(names, func(m [][]byte) bool { return re.Match(m[1]) }) {
			t.Errorf("go test %s -run %s: nothing of that name has passed:\n%s", pkg, p, out)
		}
	}
}

// stepRuns is nil if make test has a step, and the file by which the command is run has a text.
func stepRuns(step, file, text string) error {
	makefile, err := os.ReadFile(filepath.Join(repository, "Makefile"))
	if err != nil {
		return err
	}
	if !regexp.MustCompile(`for step in .*\b` + step + `\b.*; do`).Match(makefile) {
		return fmt.Errorf("make test has no step %s", step)
	}
	said, err := os.ReadFile(filepath.Join(repository, file))
	if err == nil && !bytes.Contains(said, []byte(text)) {
		err = fmt.Errorf("%s has no %s", file, text)
	}
	return err
}
