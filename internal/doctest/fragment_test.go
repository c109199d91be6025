package doctest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"strings"
)

// importable is what a fragment may use without importing it.
var importable = map[string]string{
	"context": "context", "errors": "errors", "fmt": "fmt", "os": "os", "time": "time", "testing": "testing",
	"json": "encoding/json", "sha256": "crypto/sha256", "slog": "log/slog",
	"mainstem":     "github.com/mainstemdb/mainstem",
	"embedded":     "github.com/mainstemdb/mainstem/embedded",
	"access":       "github.com/mainstemdb/mainstem/access",
	"server":       "github.com/mainstemdb/mainstem/server",
	"lease":        "github.com/mainstemdb/mainstem/lease",
	"mainstemtest": "github.com/mainstemdb/mainstem/mainstemtest",
	"observe":      "github.com/mainstemdb/mainstem/observe",
	"pgcluster":    "github.com/mainstemdb/mainstem/pgcluster",
	"pgx":          "github.com/jackc/pgx/v5",
	"prometheus":   "github.com/prometheus/client_golang/prometheus",
	"otel":         "go.opentelemetry.io/otel",
}

// fragmentSource makes one package of the fragments of a page. Declarations
// stand as they are; statements become a function that is called in turn.
func fragmentSource(name string, fragments []block) (string, error) {
	used := map[string]bool{"context": true, "embedded": true, "fmt": true, "os": true}
	var decls, calls, tests strings.Builder
	for i, b := range fragments {
		f, source, err := parseFragment(b)
		if err != nil {
			return "", fmt.Errorf("%s:%d: %w", b.page, b.line, err)
		}
		for name := range importable {
			used[name] = used[name] || uses(f, name)
		}
		var body string
		if source != "" {
			body = fmt.Sprintf("block%d(ctx, db)", i)
			source = fmt.Sprintf("func block%d(ctx context.Context, db *embedded.DB) error {\n%s\nreturn nil\n}\n", i, source)
		} else {
			body, source = "error(nil)", lineOf(b)+b.body
			tests.WriteString(testsOf(f))
		}
		decls.WriteString(source)
		fmt.Fprintf(&calls, "fmt.Print(%q)\nif err := %s; err != nil {\nfmt.Fprintln(os.Stderr, \"%s:%d: \"+err.Error())\nos.Exit(1)\n}\n", mark, body, b.page, b.line)
	}
	if tests.Len() > 0 {
		used["testing"] = true
		// Main ends the process with the outcome of the tests.
		fmt.Fprintf(&calls, "fmt.Print(%q)\ntesting.Main(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{%s}, nil, nil)\n", mark, tests.String())
	}
	return "package " + name + "\n\n" + imports(used) + "\n" + decls.String() + `
// Main runs the fragments of a page.
func Main() {
	ctx := context.Background()
	db, err := embedded.InMemory(ctx)
	if err != nil {
		panic(err)
	}
	defer db.Close()
` + calls.String() + "}\n", nil
}

func lineOf(b block) string { return fmt.Sprintf("//line %s:%d\n", b.page, b.line) }

func imports(used map[string]bool) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(used)) {
		if used[name] {
			fmt.Fprintf(&b, "import %q\n", importable[name])
		}
	}
	return b.String()
}

// parseFragment reads a fragment as declarations, then as statements. Of
// statements it returns the source of a function's body, which uses every
// variable: a page may show a result without doing anything with it.
func parseFragment(b block) (f *ast.File, body string, err error) {
	fset := token.NewFileSet()
	if f, err := parser.ParseFile(fset, "", "package p\n"+b.body, 0); err == nil {
		return f, "", nil
	}
	f, err = parser.ParseFile(fset, "", "package p\nfunc _() error {\n"+b.body+"\nreturn nil\n}\n", 0)
	if err != nil {
		return nil, "", err
	}
	var names []string
	for _, s := range f.Decls[0].(*ast.FuncDecl).Body.List {
		names = append(names, defined(s)...)
	}
	body = lineOf(b) + b.body
	for _, n := range names {
		body += "_ = " + n + "\n"
	}
	return f, body, nil
}

// defined are the variables that a statement defines.
func defined(s ast.Stmt) (names []string) {
	switch s := s.(type) {
	case *ast.AssignStmt:
		for _, e := range s.Lhs {
			if id, ok := e.(*ast.Ident); ok && s.Tok == token.DEFINE && id.Name != "_" {
				names = append(names, id.Name)
			}
		}
	case *ast.DeclStmt:
		for _, spec := range s.Decl.(*ast.GenDecl).Specs {
			if v, ok := spec.(*ast.ValueSpec); ok {
				for _, id := range v.Names {
					names = append(names, id.Name)
				}
			}
		}
	}
	return names
}

// uses reports whether a file uses a package that it does not define.
func uses(f *ast.File, name string) bool {
	return slices.ContainsFunc(f.Unresolved, func(id *ast.Ident) bool { return id.Name == name })
}

// testsOf lists the tests among declarations, for testing.Main.
func testsOf(f *ast.File) string {
	var b strings.Builder
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Test") {
			fmt.Fprintf(&b, "{Name: %q, F: %s},", fn.Name.Name, fn.Name.Name)
		}
	}
	return b.String()
}
