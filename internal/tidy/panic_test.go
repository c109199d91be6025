package tidy

import (
	"go/ast"
	"testing"
)

// panics refuses panic in code that others call: an answer is an error. A
// broken invariant may panic, with its reason beside it.
func panics(t *tree) (bad []violation) {
	for _, f := range t.sourceFiles() {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if id, ok := call.Fun.(*ast.Ident); ok && id.Name == "panic" && !t.excused(f, call, "//tidy:panic") {
				bad = append(bad, t.at(f, call, "panic in library code",
					"return an error, or say which invariant is broken in //tidy:panic REASON"))
			}
			return true
		})
	}
	return bad
}

func TestPanicGoesRed(t *testing.T) {
	red(t, panics, plant{
		"a.go":      "package a\n\nfunc f() { panic(1) }\n",
		"a_test.go": "package a\n\nfunc g() { panic(1) }\n",
		"b.go":      "package a\n\nfunc f() {\n\tpanic(1) //tidy:panic the head went backwards (L2)\n}\n",
	}, "a.go:3: panic in library code")
}
