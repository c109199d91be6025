package tidy

import (
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// pureRooms hold rules and bytes only: the same input gives the same output
// on every machine, in every run (L3). Their tests may do as they like.
var pureRooms = []string{"internal/state", "internal/record"}

// Packages that know the world: its files, its threads, its chance.
var impureImports = []string{
	"os", "io/ioutil", "sync", "runtime", "net", "log", "syscall", "unsafe",
	"math/rand", "crypto/rand", "hash/maphash", "context",
}

// What of package time asks a clock. The rest of it is arithmetic.
var clockCalls = []string{
	"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Local", "LoadLocation",
}

func isPure(f *file) bool { return slices.Contains(pureRooms, f.dir()) && !f.isTest() && f.ast != nil }

// pure keeps clock, chance, threads and the operating system out of the pure
// rooms. The order of a map is the business of mapRanges.
func pure(t *tree) (bad []violation) {
	for _, f := range t.files {
		if !isPure(f) {
			continue
		}
		for _, spec := range f.ast.Imports {
			p := strings.Trim(spec.Path.Value, `"`)
			if slices.ContainsFunc(impureImports, func(i string) bool { return under(p, i) }) {
				bad = append(bad, t.at(f, spec, f.dir()+" is pure and imports "+p,
					"take what you need as an argument (L3)"))
			}
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if what := impurity(f, n); what != "" {
				bad = append(bad, t.at(f, n, f.dir()+" is pure and has "+what,
					"let the node decide it and put it into the record (L3, L6)"))
			}
			return true
		})
	}
	return bad
}

func impurity(f *file, n ast.Node) string {
	switch n := n.(type) {
	case *ast.GoStmt:
		return "a goroutine"
	case *ast.SelectStmt:
		return "a select, which chooses at random"
	case *ast.SelectorExpr:
		id, ok := n.X.(*ast.Ident)
		if ok && id.Name == importName(f.ast, "time") && slices.Contains(clockCalls, n.Sel.Name) {
			return "time." + n.Sel.Name
		}
	}
	return ""
}

func TestPureGoesRed(t *testing.T) {
	red(t, pure, plant{
		"internal/state/a.go":      "package state\n\nimport \"time\"\n\nvar d = time.Second\n\nfunc f() { _ = time.Now() }\n",
		"internal/state/a_test.go": "package state\n\nimport \"os\"\n",
		"internal/state/b.go":      "package state\n\nimport \"math/rand/v2\"\n",
		"internal/state/c.go":      "package state\n\nfunc g() {\n\tgo f()\n\tselect {}\n}\n",
		"internal/record/a.go":     "package record\n\nimport (\n\t\"sync/atomic\"\n\tclock \"time\"\n)\n\nvar now = clock.Now\n",
		"internal/record/b.go":     "package record\n\nimport \"os\"\n",
		"node/a.go":                "package node\n\nimport \"os\"\n",
	},
		"internal/record/a.go:4: internal/record is pure and imports sync/atomic",
		"internal/record/a.go:8: internal/record is pure and has time.Now",
		"internal/record/b.go:3: internal/record is pure and imports os",
		"internal/state/a.go:7: internal/state is pure and has time.Now",
		"internal/state/b.go:3: internal/state is pure and imports math/rand/v2",
		"internal/state/c.go:4: internal/state is pure and has a goroutine",
		"internal/state/c.go:5: internal/state is pure and has a select")
}
