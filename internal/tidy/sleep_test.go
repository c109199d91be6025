package tidy

import (
	"go/ast"
	"testing"
)

// sleeps refuses time.Sleep. In a test it hides a race until the machine is
// slow. Elsewhere it needs a reason, because nothing can interrupt it. Inside
// a synctest bubble time is not real, and sleeping is how it moves.
func sleeps(t *tree) (bad []violation) {
	for _, f := range t.goFiles() {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if calls(f.ast, call, "testing/synctest", "Test") {
				return false
			}
			if !calls(f.ast, call, "time", "Sleep") {
				return true
			}
			switch {
			case f.isTest():
				bad = append(bad, t.at(f, call, "time.Sleep in a test",
					"wait for the event itself: a channel, a deadline on a condition, or testing/synctest"))
			case !t.excused(f, call, "//tidy:sleep"):
				bad = append(bad, t.at(f, call, "time.Sleep without a reason",
					"wait on a timer and the context, or say why in //tidy:sleep REASON"))
			}
			return true
		})
	}
	return bad
}

func TestSleepGoesRed(t *testing.T) {
	red(t, sleeps, plant{
		"a.go":      "package a\n\nimport \"time\"\n\nfunc f() { time.Sleep(1) }\n",
		"a_test.go": "package a\n\nimport \"time\"\n\nfunc g() {\n\t//tidy:sleep no reason is good enough here\n\ttime.Sleep(1)\n}\n",
		"b.go":      "package a\n\nimport \"time\"\n\nfunc f() {\n\t//tidy:sleep the disk has no event to wait for\n\ttime.Sleep(1)\n}\n",
		"c.go":      "package a\n\nimport clock \"time\"\n\nfunc f() {\n\tclock.Sleep(1) //tidy:sleep\n}\n",
		"d_test.go": "package a\n\nimport (\n\t\"testing/synctest\"\n\t\"time\"\n)\n\nfunc g() { synctest.Test(t, func() { time.Sleep(1) }) }\n",
	}, "a.go:5: time.Sleep without", "a_test.go:7: time.Sleep in a test", "c.go:6: time.Sleep without")
}
