package main

import (
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	const start = `{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:1: 20 of 20 rounds\n"}
`
	for _, c := range []struct {
		name, in, out string
		well          bool
	}{
		{
			"passes", start + `{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"PASS\n"}
{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}
{"Action":"pass","Package":"p"}
`, "ok  \tp\t0.1s\np TestA: a_test.go:1: 20 of 20 rounds\n1 passed, 0 failed, 0 skipped\n", true,
		},
		{
			"fails", start + `{"Action":"output","Package":"p","Test":"TestA","Output":"--- FAIL: TestA (0.1s)\n"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"FAIL\n"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}
{"Action":"fail","Package":"p"}
`, "    a_test.go:1: 20 of 20 rounds\n--- FAIL: TestA (0.1s)\nFAIL\tp\t0.1s\np TestA: a_test.go:1: 20 of 20 rounds\n0 passed, 1 failed, 0 skipped\n", false,
		},
		{
			"panics outside a test", `{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"panic: no\n"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}
{"Action":"fail","Package":"p"}
`, "panic: no\nFAIL\tp\t0.1s\n1 passed, 0 failed, 0 skipped\n", false,
		},
		{
			"skips", `{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:1: not run: no file\n"}
{"Action":"skip","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p","Test":"TestB"}
`, "not run: p TestA: no file\n1 passed, 0 failed, 1 skipped\n", true,
		},
		{
			"does not build", `{"Action":"build-output","ImportPath":"p","Output":"a.go:1: syntax error\n"}
{"Action":"build-fail","ImportPath":"p"}
{"Action":"pass","Package":"q","Test":"TestA"}
`, "a.go:1: syntax error\n1 passed, 0 failed, 0 skipped\n", false,
		},
		{
			"ran nothing", "go: no such package\n",
			"go: no such package\n0 passed, 0 failed, 0 skipped\ntestreport: no test ran: check the packages that were asked for\n", false,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			r := newReport(&out)
			if err := r.read(strings.NewReader(c.in)); err != nil {
				t.Fatal(err)
			}
			if well := r.summary(); well != c.well {
				t.Errorf("well = %t, want %t", well, c.well)
			}
			if out.String() != c.out {
				t.Errorf("printed\n%q\nwant\n%q", out.String(), c.out)
			}
		})
	}
}
