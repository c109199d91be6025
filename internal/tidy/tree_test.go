package tidy

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// modulePath is the import path of the root package. Every module of the
// repository lives below it, so one prefix tells ours from the rest.
const modulePath = "github.com/mainstemdb/mainstem"

// file is one text file of the repository.
type file struct {
	path string // slash-separated, from the root of the repository
	data []byte
	ast  *ast.File // nil unless it is Go that the build could see
}

func (f *file) dir() string     { return path.Dir(f.path) }
func (f *file) isTest() bool    { return strings.HasSuffix(f.path, "_test.go") }
func (f *file) generated() bool { return f.ast != nil && ast.IsGenerated(f.ast) }
func (f *file) lines() []string { return strings.Split(string(f.data), "\n") }

// tree is the repository as the rules see it.
type tree struct {
	files []*file // in path order
	fset  *token.FileSet
	paths map[string]bool // every file and directory, for links
	bad   []violation     // files that do not parse
}

// violation is one broken rule at one place.
type violation struct {
	path string
	line int    // 0 when the whole file is meant
	what string // what is wrong
	do   string // what puts it right
}

func (v violation) String() string {
	if v.line == 0 {
		return fmt.Sprintf("%s: %s: %s", v.path, v.what, v.do)
	}
	return fmt.Sprintf("%s:%d: %s: %s", v.path, v.line, v.what, v.do)
}

// readTree loads every text file below the root. Version control, build
// output and binary files are left out; nothing else is.
func readTree(root fs.FS) (*tree, error) {
	t := &tree{fset: token.NewFileSet(), paths: map[string]bool{}}
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("tidy: read %s: %w", name, err)
		}
		t.paths[name] = true
		if d.IsDir() {
			if slices.Contains([]string{".git", ".tmp", "node_modules"}, d.Name()) { // the last is what npm installs
				return fs.SkipDir
			}
			return nil
		}
		data, err := fs.ReadFile(root, name)
		if err != nil {
			return fmt.Errorf("tidy: read %s: %w", name, err)
		}
		if utf8.Valid(data) && !bytes.ContainsRune(data, 0) {
			t.add(&file{path: name, data: data})
		}
		return nil
	})
	return t, err
}

func (t *tree) add(f *file) {
	t.files = append(t.files, f)
	if path.Ext(f.path) != ".go" || slices.Contains(strings.Split(f.path, "/"), "testdata") {
		return
	}
	parsed, err := parser.ParseFile(t.fset, f.path, f.data, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.bad = append(t.bad, violation{path: f.path, what: "does not parse: " + err.Error(), do: "make it valid Go"})
		return
	}
	f.ast = parsed
}

// goFiles are the Go files written by people.
func (t *tree) goFiles() []*file {
	return slices.DeleteFunc(slices.Clone(t.files), func(f *file) bool {
		return f.ast == nil || f.generated()
	})
}

// sourceFiles are the Go files written by people that are not tests.
func (t *tree) sourceFiles() []*file {
	return slices.DeleteFunc(t.goFiles(), (*file).isTest)
}

func (t *tree) line(n ast.Node) int { return t.fset.Position(n.Pos()).Line }

// at makes a violation at a node.
func (t *tree) at(f *file, n ast.Node, what, do string) violation {
	return violation{path: f.path, line: t.line(n), what: what, do: do}
}

// importName is the name under which a file knows an import, or "" when the
// file does not import it.
func importName(f *ast.File, importPath string) string {
	for _, spec := range f.Imports {
		if strings.Trim(spec.Path.Value, `"`) != importPath {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		base := path.Base(importPath)
		if strings.HasPrefix(base, "v") && len(base) == 2 { // math/rand/v2 is rand
			base = path.Base(path.Dir(importPath))
		}
		return base
	}
	return ""
}

// calls reports whether a call names pkg.fn, where pkg is an import path.
func calls(f *ast.File, call *ast.CallExpr, importPath, fn string) bool {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != fn {
		return false
	}
	id, ok := sel.X.(*ast.Ident)
	return ok && id.Name == importName(f, importPath) && id.Name != ""
}

// excused reports whether the line of n, or the line above it, carries the
// mark with a reason behind it. A mark without a reason excuses nothing.
func (t *tree) excused(f *file, n ast.Node, mark string) bool {
	lines, at := f.lines(), t.line(n)
	for _, l := range lines[max(0, at-2):at] {
		if _, why, ok := strings.Cut(l, mark); ok && strings.TrimSpace(why) != "" {
			return true
		}
	}
	return false
}
