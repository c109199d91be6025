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
	"testing"
)

// TestGoBlocks compiles every Go block of every page into one program, laid
// over the repository so that nothing is written there, and runs each.
func TestGoBlocks(t *testing.T) {
	pages := blocksIn(readPages(t, root), "go")
	if len(pages) < 5 {
		t.Fatalf("Go blocks in %d pages: either the documentation has lost them or this test cannot see them", len(pages))
	}
	exe, plan, err := build(t.TempDir(), pages)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range plan {
		t.Run(step.name, func(t *testing.T) {
			t.Parallel()
			for _, problem := range step.run(exe, t.TempDir()) {
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
func build(dir string, pages map[string][]block) (exe string, plan []step, err error) {
	over := map[string]string{} // import path below the root -> source
	var imports, cases strings.Builder
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
				return "", nil, err
			}
			add(name, source, fragments)
		}
	}
	over["internal/doctest/blocks/main.go"] = "package main\n\nimport (\n\t\"os\"\n\n" + imports.String() +
		")\n\nfunc main() {\n\tswitch os.Args[1] {\n" + cases.String() + "\t}\n}\n"
	exe = filepath.Join(dir, "blocks")
	return exe, plan, compile(dir, exe, over)
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

// TestGoBlocksGoRed shows that a block that does not compile, one that fails
// and one that prints something else are all found.
func TestGoBlocksGoRed(t *testing.T) {
	t.Parallel()
	page := func(bodies ...string) map[string][]block {
		var all []block
		for i, body := range bodies {
			all = append(all, block{page: "planted.md", line: 10 * (i + 1), body: body})
		}
		return map[string][]block{"planted.md": all}
	}
	if _, _, err := build(t.TempDir(), page("db.Nonsense()\n")); err == nil || !strings.Contains(err.Error(), "planted.md:10") {
		t.Errorf("a block that does not compile: %v", err)
	}
	planted := page(
		"fmt.Println(1)\n// Output:\n// 1\n",
		"fmt.Println(2)\n// Output:\n// 3\n",
		"if err := errors.New(\"planted\"); err != nil {\n\treturn err\n}\n",
		"package main\n\nimport (\n\t\"fmt\"\n)\n\nfunc main() {\n\tfmt.Println(4)\n\t// Output:\n\t// 5\n}\n",
	)
	planted["tests.md"] = []block{{page: "tests.md", line: 1, body: "func TestPlanted(t *testing.T) { t.Error(\"failed as planted\") }\n"}}
	exe, plan, err := build(t.TempDir(), planted)
	if err != nil {
		t.Fatal(err)
	}
	var problems []string
	for _, s := range plan {
		problems = append(problems, s.run(exe, t.TempDir())...)
	}
	all := strings.Join(problems, "\n")
	for _, want := range []string{"planted.md:20: the page shows", "planted.md:30: planted", "planted.md:40: the page shows", "failed as planted"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in:\n%s", want, all)
		}
	}
	if strings.Contains(all, "planted.md:10:") {
		t.Errorf("the block that is right was found wrong:\n%s", all)
	}
}
