package rules

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var repository = filepath.Join("..", "..")

// TestChecksExist: each command that a rule names is there, so that what is
// not must say not yet.
func TestChecksExist(t *testing.T) {
	run, notYet := 0, 0
	for _, r := range All() {
		for _, c := range r.Verify {
			switch {
			case (c.Run == "") == (c.NotYet == "") || c.Run != "" && c.Shows == "":
				t.Errorf("%s: a check runs and shows something, or is not there yet", r.ID)
			case c.NotYet != "":
				notYet++
			default:
				run++
				if err := exists(c.Run); err != nil {
					t.Errorf("%s: %s: %v", r.ID, c.Run, err)
				}
			}
		}
	}
	t.Logf("%d commands exist, %d are not there yet", run, notYet)
}

func TestExistsRefuses(t *testing.T) {
	for _, command := range []string{
		"go test . -run TestNobodyWrote", "go test ./nowhere -run TestA", "make nothing-of-the-kind", "mainstem frobnicate",
		"mainstem pg frobnicate", "go run ./cmd/mainstem frobnicate", "cd bench && go run . -scenario nothing", "rm -rf .",
	} {
		if exists(command) == nil {
			t.Errorf("%s passes as a command that exists", command)
		}
	}
}

var (
	goTest   = regexp.MustCompile(`^go test (\./\S*|\.) -run (\w+\$?)( -tags \w+)?$`)
	makeRun  = regexp.MustCompile(`^make ([a-z-]+)$`)
	mainstem = regexp.MustCompile(`^(?:go run \./cmd/)?mainstem ([a-z]+)( [a-z]+)?$`)
	scenario = regexp.MustCompile(`^cd bench && go run \. -scenario ([a-z-]+)$`)
)

// exists looks a command up in the repository, without running it.
func exists(command string) error {
	if m := goTest.FindStringSubmatch(command); m != nil {
		return anyFile(filepath.Join(m[1], "*_test.go"), `(?m)^func `+strings.Replace(m[2], "$", `\b`, 1))
	}
	if m := makeRun.FindStringSubmatch(command); m != nil {
		return anyFile("Makefile", `(?m)^`+m[1]+`:`)
	}
	if m := scenario.FindStringSubmatch(command); m != nil {
		return anyFile(filepath.Join("bench", "*.go"), `name:\s+"`+m[1]+`"`)
	}
	if m := mainstem.FindStringSubmatch(command); m != nil {
		sub := strings.TrimSpace(m[2])
		if sub != "" {
			sub = strings.ToUpper(sub[:1]) + sub[1:]
		}
		return anyFile(filepath.Join("cmd", "mainstem", "internal", "cli", "*.go"), `\b`+m[1]+sub+"Cmd\\s+`cmd:")
	}
	return fmt.Errorf("no form of command that can be looked up")
}

// anyFile asks that some file of a pattern contains what is looked for.
func anyFile(pattern, want string) error {
	files, err := filepath.Glob(filepath.Join(repository, pattern))
	if err != nil {
		return err
	}
	re := regexp.MustCompile(want)
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		if re.Match(text) {
			return nil
		}
	}
	return fmt.Errorf("no %s has %s", pattern, want)
}

// TestBuiltIsThere: what a rule says implements it is declared where it says.
func TestBuiltIsThere(t *testing.T) {
	for _, r := range All() {
		for _, p := range r.Built {
			if err := anyFile(p.In, `(?m)^(func (\([^)]*\) )?|type |\t)`+p.What+`\b`); err != nil || strings.Contains(p.In, "*") {
				t.Errorf("%s is built on %s in %s: %v", r.ID, p.What, p.In, err)
			}
		}
	}
}
