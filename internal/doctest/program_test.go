package doctest

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// program is the one program that holds every Go block of every page, and the
// planted ones. It is laid over the repository, so that nothing is written there.
var program = sync.OnceValues(func() (built, error) {
	texts, err := readPages()
	if err != nil {
		return built{}, err
	}
	dir, err := temporary()
	if err != nil {
		return built{}, err
	}
	all := blocksIn(texts, "go")
	maps.Copy(all, planted)
	return build(dir, all)
})

// built is a program and what to do with it.
type built struct {
	exe  string
	plan []step
}

// TestGoBlocks compiles and runs every Go block of every page.
func TestGoBlocks(t *testing.T) {
	b, err := program()
	if err != nil {
		t.Fatal(err)
	}
	if len(b.plan) < 10 {
		t.Fatalf("%d programs: either the documentation has lost them or this test cannot see them", len(b.plan))
	}
	for _, step := range b.plan {
		if _, ok := planted[step.blocks[0].page]; ok {
			continue
		}
		t.Run(step.blocks[0].page, func(t *testing.T) {
			t.Parallel()
			for _, problem := range step.run(b.exe, t.TempDir()) {
				t.Error(problem)
			}
		})
	}
}

// step is one run of the built program: a whole program, or the fragments of a
// page one after the other.
type step struct {
	name   string
	blocks []block
}

// mark stands before the output of each fragment.
const mark = "\x1e"

func (s step) run(exe, dir string) (problems []string) {
	cmd := exec.Command(exe, s.name)
	cmd.Dir = dir
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		problems = append(problems, fmt.Sprintf("%s: %v\n%s%s", s.blocks[0].page, err, out, errs.String()))
	}
	outputs := strings.Split(string(out), mark)[1:]
	for i, b := range s.blocks {
		if i >= len(outputs) {
			break
		}
		shown, any := outputOf(b.body)
		if any && !agrees(shown, outputs[i]) {
			problems = append(problems, fmt.Sprintf("%s:%d: the page shows\n%s\nand the program prints\n%s", b.page, b.line, shown, outputs[i]))
		}
	}
	return problems
}

// outputOf is what a block says that it prints.
func outputOf(body string) (shown string, any bool) {
	_, comment, any := strings.Cut(body, "// Output:\n")
	for line := range strings.Lines(comment) {
		text, ok := strings.CutPrefix(strings.TrimSpace(line), "//")
		if !ok {
			break
		}
		shown += strings.TrimPrefix(text, " ") + "\n"
	}
	return shown, any
}

// build lays the blocks over the repository as packages, with a main that
// calls them by name, and builds it.
func build(dir string, pages map[string][]block) (built, error) {
	over := map[string]string{} // import path below the root -> source
	var imports, cases strings.Builder
	var plan []step
	add := func(pkg, source string, blocks []block) {
		over["internal/doctest/blocks/"+pkg+"/"+pkg+".go"] = source
		fmt.Fprintf(&imports, "\t%q\n", "github.com/mainstemdb/mainstem/internal/doctest/blocks/"+pkg)
		fmt.Fprintf(&cases, "\tcase %q:\n\t\t%s.Main()\n", pkg, pkg)
		plan = append(plan, step{name: pkg, blocks: blocks})
	}
	for i, page := range slices.Sorted(maps.Keys(pages)) {
		var fragments []block
		for j, b := range pages[page] {
			if !strings.HasPrefix(b.body, "package main\n") {
				fragments = append(fragments, b)
				continue
			}
			name := fmt.Sprintf("program%d_%d", i, j)
			add(name, programSource(name, b), []block{b})
		}
		if len(fragments) > 0 {
			name := fmt.Sprintf("page%d", i)
			source, err := fragmentSource(name, fragments)
			if err != nil {
				return built{}, err
			}
			add(name, source, fragments)
		}
	}
	over["internal/doctest/blocks/main.go"] = "package main\n\nimport (\n\t\"os\"\n\n" + imports.String() +
		")\n\nfunc main() {\n\tswitch os.Args[1] {\n" + cases.String() + "\t}\n}\n"
	exe := filepath.Join(dir, "blocks")
	return built{exe: exe, plan: plan}, compile(dir, exe, over)
}

// programSource makes a package of a whole program.
func programSource(name string, b block) string {
	source := strings.Replace(b.body, "package main\n", "package "+name+"\n", 1)
	source = strings.Replace(source, "\nfunc main() {\n", "\n// Main is a block of the documentation.\nfunc Main() {\n\tprint_mark()\n", 1)
	return fmt.Sprintf("//line %s:%d\n%s\nfunc print_mark() { _, _ = os.Stdout.WriteString(%q) }\n", b.page, b.line, withOS(source), mark)
}

// withOS makes sure that a program can print the mark.
func withOS(source string) string {
	if strings.Contains(source, "\t\"os\"\n") {
		return source
	}
	return strings.Replace(source, "import (\n", "import (\n\t\"os\"\n", 1)
}

// compile builds the main package of an overlay.
func compile(dir, exe string, over map[string]string) error {
	repository, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	replace := map[string]string{}
	for name, source := range over {
		file := filepath.Join(dir, strings.ReplaceAll(name, "/", "_"))
		if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
			return err
		}
		replace[filepath.Join(repository, name)] = file
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return err
	}
	overlay := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, text, 0o600); err != nil {
		return err
	}
	return goBuild(repository, "-overlay", overlay, "-ldflags=-s -w", "-o", exe, "./internal/doctest/blocks")
}

func goBuild(dir string, args ...string) error {
	cmd := exec.Command("go", append([]string{"build"}, args...)...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// planted are blocks with faults, by page.
var planted = map[string][]block{
	"planted.md": {
		{page: "planted.md", line: 10, body: "fmt.Println(1)\n// Output:\n// 1\n"},
		{page: "planted.md", line: 20, body: "fmt.Println(2)\n// Output:\n// 3\n"},
		{page: "planted.md", line: 30, body: "if err := errors.New(\"fails\"); err != nil {\n\treturn err\n}\n"},
		{page: "planted.md", line: 40, body: "package main\n\nimport (\n\t\"fmt\"\n)\n\nfunc main() {\n\tfmt.Println(4)\n\t// Output:\n\t// 5\n}\n"},
	},
	"planted-test.md": {{page: "planted-test.md", line: 1, body: "func TestPlanted(t *testing.T) { t.Error(\"red as planted\") }\n"}},
}

// TestGoBlocksGoRed shows that a block that does not compile, one that fails
// and one that prints something else are all found.
func TestGoBlocksGoRed(t *testing.T) {
	bad := map[string][]block{"bad.md": {{page: "bad.md", line: 10, body: "db.Nonsense()\n"}}}
	if _, err := build(t.TempDir(), bad); err == nil || !strings.Contains(err.Error(), "bad.md:10") {
		t.Errorf("a block that does not compile: %v", err)
	}
	b, err := program()
	if err != nil {
		t.Fatal(err)
	}
	var problems []string
	for _, s := range b.plan {
		if _, ok := planted[s.blocks[0].page]; ok {
			problems = append(problems, s.run(b.exe, t.TempDir())...)
		}
	}
	all := strings.Join(problems, "\n")
	for _, want := range []string{"planted.md:20: the page shows", "planted.md:30: fails", "planted.md:40: the page shows", "red as planted"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in:\n%s", want, all)
		}
	}
	if strings.Contains(all, "planted.md:10:") {
		t.Errorf("the block that is right was found wrong:\n%s", all)
	}
}
