package doctest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// binary builds the command line once for all tests of this package.
var binary = sync.OnceValues(func() (dir string, err error) {
	if dir, err = temporary(); err != nil {
		return "", err
	}
	repository, err := filepath.Abs(root)
	if err != nil {
		return "", err
	}
	return dir, goBuild(repository, "-o", dir+"/mainstem", "./cmd/mainstem")
})

// made are the temporary directories that all tests share.
var made []string

func temporary() (string, error) {
	dir, err := os.MkdirTemp("", "mainstem-doctest-")
	made = append(made, dir)
	return dir, err
}

// TestMain removes them.
func TestMain(m *testing.M) {
	code := m.Run()
	for _, dir := range made {
		_ = os.RemoveAll(dir) // temporary
	}
	os.Exit(code)
}

// TestConsoleBlocks repeats every console session of every page in an empty
// directory and compares what is printed.
func TestConsoleBlocks(t *testing.T) {
	found := blocksIn(pages(t), "console")
	for _, name := range []string{"docs/start.md", "docs/reference/cli.md"} {
		if len(found[name]) < 5 {
			t.Errorf("%d console blocks in %s: either the page has lost them or this test cannot see them", len(found[name]), name)
		}
	}
	for page, blocks := range found {
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			port := free(t) // for a server that the page starts
			for i := range blocks {
				blocks[i].body = strings.ReplaceAll(blocks[i].body, "127.0.0.1:7171", strings.Replace(port, "localhost", "127.0.0.1", 1))
			}
			for _, problem := range repeat(t, blocks, t.TempDir()) {
				t.Error(problem)
			}
		})
	}
}

// overview is the help of the binary.
func overview() (string, error) {
	bin, err := binary()
	if err != nil {
		return "", err
	}
	out, err := exec.Command(bin+"/mainstem", "--help").CombinedOutput()
	return string(out), err
}

// exchange is one command and what the page shows of its output.
type exchange struct {
	page    string
	line    int
	command string
	shown   string
}

// exchanges reads console blocks. A line that begins with "> " continues the
// command before it, as a shell's second prompt does.
func exchanges(blocks []block) (all []exchange) {
	for _, b := range blocks {
		for i, line := range strings.Split(b.body, "\n") {
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				all = append(all, exchange{page: b.page, line: b.line + i, command: command})
				continue
			}
			if len(all) == 0 {
				continue
			}
			last := &all[len(all)-1]
			if more, ok := strings.CutPrefix(line, "> "); ok {
				last.command += "\n" + more
			} else {
				last.shown += line + "\n"
			}
		}
	}
	return all
}

// repeat runs the commands of a page in one shell, so that $? and variables
// mean what they mean to a reader.
func repeat(t *testing.T, blocks []block, dir string, env ...string) (problems []string) {
	t.Helper()
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	all := exchanges(blocks)
	var script strings.Builder
	for _, e := range all {
		fmt.Fprintf(&script, "%s\n__code=$?; printf '\\036'; (exit $__code)\n", e.command)
	}
	script.WriteString("kill $(jobs -p) 2> /dev/null; wait\n") // what a page started writes to dir no more
	cmd := exec.Command("sh", "-c", script.String())
	cmd.Dir = dir
	cmd.Env = append(env, "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+dir, "NO_COLOR=1", "TMPDIR="+os.TempDir())
	out, err := cmd.CombinedOutput()
	if _, failed := err.(*exec.ExitError); err != nil && !failed {
		t.Fatal(err)
	}
	outputs := strings.Split(string(out), mark)
	for i, e := range all {
		got := ""
		if i < len(outputs) {
			got = outputs[i]
		}
		if !agrees(e.shown, got) {
			problems = append(problems, fmt.Sprintf("%s:%d: $ %s\nthe page shows\n%s\nand it prints\n%s", e.page, e.line, e.command, e.shown, got))
		}
	}
	return problems
}

func TestConsoleBlocksGoRed(t *testing.T) {
	t.Parallel()
	plant := block{page: "planted.md", line: 1, body: "$ mainstem put a/b c\nposition 1\n$ mainstem get a/b\nd\n$ mainstem get a/x\n…\n$ echo $?\n0\n"}
	problems := strings.Join(repeat(t, []block{plant}, t.TempDir()), "\n")
	for _, want := range []string{"planted.md:3: $ mainstem get", "planted.md:7: $ echo"} {
		if !strings.Contains(problems, want) {
			t.Errorf("no %q in:\n%s", want, problems)
		}
	}
	if strings.Contains(problems, "planted.md:1:") || strings.Contains(problems, "planted.md:5:") {
		t.Errorf("a right line was found wrong:\n%s", problems)
	}
}

// TestCommandLines checks the commands that a page only names, in sh blocks,
// because they need the repository itself: the binary has the command and its
// flags, the Makefile has the target, the packages exist.
func TestCommandLines(t *testing.T) {
	makefile, err := os.ReadFile(root + "/Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, blocks := range blocksIn(pages(t), "sh") {
		for _, b := range blocks {
			for i, line := range strings.Split(b.body, "\n") {
				line, _, _ = strings.Cut(line, " #")
				if problem := commandLine(t, string(makefile), strings.Fields(line)); problem != "" {
					t.Errorf("%s:%d: %s", b.page, b.line+i, problem)
				}
			}
		}
	}
}

func commandLine(t *testing.T, makefile string, words []string) string {
	t.Helper()
	for len(words) > 0 && strings.Contains(words[0], "=") { // a variable before the command
		words = words[1:]
	}
	line := strings.Join(words, " ")
	switch {
	case len(words) == 0, words[0] == "git", words[0] == "cd", strings.HasPrefix(words[0], "#"):
		return ""
	case words[0] == "make":
		for _, target := range words[1:] {
			if !strings.Contains(target, "=") && !strings.Contains(makefile, "\n"+target+":") {
				return "the Makefile has no target " + target
			}
		}
		return ""
	case strings.HasPrefix(line, "go run ./cmd/mainstem"):
		return flags(t, words[3:])
	case words[0] == "mainstem":
		return flags(t, words[1:])
	case strings.HasPrefix(line, "go "):
		for _, w := range words {
			dir, isPath := strings.CutPrefix(strings.TrimSuffix(w, "/..."), "./")
			if _, err := os.Stat(root + "/" + dir); isPath && err != nil {
				return "there is no " + w
			}
		}
		return ""
	default:
		return "is no command that this test knows: " + line
	}
}

// flags asks the help of a command for every flag that a line gives.
func flags(t *testing.T, args []string) string {
	t.Helper()
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	if len(args) == 0 {
		return ""
	}
	command := args[:1]
	if len(args) > 1 && !strings.HasPrefix(args[1], "-") {
		command = args[:2] // a command of a command, if it is not an argument, which help does not look at
	}
	out, err := exec.Command(bin+"/mainstem", append(slices.Clone(command), "--help")...).CombinedOutput()
	if err != nil {
		return "mainstem " + strings.Join(command, " ") + " --help: " + err.Error()
	}
	for _, a := range args[1:] {
		name, _, _ := strings.Cut(a, "=")
		if strings.HasPrefix(name, "--") && !strings.Contains(string(out), name) {
			return "mainstem " + strings.Join(command, " ") + " has no " + name
		}
	}
	return ""
}

func TestCommandLineGoesRed(t *testing.T) {
	for line, wrong := range map[string]bool{
		"make test": false, "make nonsense": true, "make soak SOAK=3": false,
		"go run ./cmd/mainstem demo --kills 10": false, "go run ./cmd/mainstem demo --lies 10": true,
		"mainstem nonsense": true, "mainstem advise observe a.yaml --show": false, "mainstem advise observe a.yaml --plain": true, "go test ./node": false, "go test ./nowhere/...": true, "rm -rf": true,
		"MAINSTEM_SEED=7 go test ./node": false,
	} {
		if problem := commandLine(t, "\ntest:\n\nsoak:\n", strings.Fields(line)); (problem != "") != wrong {
			t.Errorf("%s: %q", line, problem)
		}
	}
}
