package tidy

import (
	"go/ast"
	"go/token"
	"strings"
	"testing"
)

// skips refuses a test that steps aside in silence. The reason must begin
// with "not run:", which make test collects and prints.
func skips(t *tree) (bad []violation) {
	for _, f := range t.goFiles() {
		pkg := importName(f.ast, "testing")
		if pkg == "" {
			continue
		}
		tests := testParams(f.ast, pkg)
		ast.Inspect(f.ast, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if id, ok := sel.X.(*ast.Ident); !ok || !tests[id.Name] {
				return true
			}
			switch sel.Sel.Name {
			case "Skip", "Skipf":
				if len(call.Args) > 0 && startsNotRun(call.Args[0]) {
					return true
				}
			case "SkipNow":
			default:
				return true
			}
			bad = append(bad, t.at(f, call, "a skip that does not say what is lost",
				`begin the message with "not run:", then what was not checked and what would make it run`))
			return true
		})
	}
	return bad
}

// testParams are the names that a file gives to its *testing.T, B, F and TB.
func testParams(f *ast.File, pkg string) map[string]bool {
	found := map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		field, ok := n.(*ast.Field)
		if !ok {
			return true
		}
		typ := field.Type
		if star, ok := typ.(*ast.StarExpr); ok {
			typ = star.X
		}
		sel, ok := typ.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if id, ok := sel.X.(*ast.Ident); ok && id.Name == pkg {
			for _, name := range field.Names {
				found[name.Name] = true
			}
		}
		return true
	})
	return found
}

func startsNotRun(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.BasicLit:
		return e.Kind == token.STRING && strings.HasPrefix(strings.Trim(e.Value, "\"`"), "not run:")
	case *ast.BinaryExpr:
		return startsNotRun(e.X)
	}
	return false
}

func TestSkipGoesRed(t *testing.T) {
	file := func(body string) string {
		return "package a\n\nimport \"testing\"\n\nfunc TestA(t *testing.T) { " + body + " }\n"
	}
	red(t, skips, plant{
		"a_test.go": file(`t.Skip("flaky")`),
		"b_test.go": file(`t.SkipNow()`),
		"c_test.go": file(`t.Skipf("not run: durability on %s, needs root", dir)`),
		"d_test.go": file(`reader.Skip(3)`),
		"e_test.go": file(`t.Skip("not run: " + why)`),
		"f_test.go": file(`t.Skip()`),
	}, "a_test.go:5: a skip", "b_test.go:5: a skip", "f_test.go:5: a skip")
}
