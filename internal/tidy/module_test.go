package tidy

import (
	"path"
	"strings"
	"testing"
)

// modules asks that a go.work uses every module but the tools, so that make
// test and an editor see all of them: the one of the root, or the module's own,
// which keeps what it needs out of everybody else's builds. A tool is built
// alone, because the dependencies of two tools need not agree.
func modules(t *tree) (bad []violation) {
	used := map[string]bool{}
	for _, f := range t.files {
		if path.Base(f.path) == "go.work" {
			for word := range strings.FieldsSeq(string(f.data)) {
				used[path.Join(f.dir(), word)] = true
			}
		}
	}
	for _, f := range t.files {
		if path.Base(f.path) != "go.mod" {
			continue
		}
		tool := strings.HasPrefix(f.path, "tools/")
		switch {
		case !tool && !used[f.dir()]:
			bad = append(bad, violation{path: f.path, what: "is not in go.work", do: "run go work use ./" + f.dir()})
		case tool && used[f.dir()]:
			bad = append(bad, violation{path: f.path, what: "is a tool in go.work", do: "run go work edit -dropuse=./" + f.dir()})
		}
	}
	return bad
}

func TestModuleGoesRed(t *testing.T) {
	red(t, modules, plant{
		"go.work":               "go 1.26.0\n\nuse (\n\t.\n\t./cmd/mainstem\n\t./tools/a\n)\n",
		"alone/go.mod":          "module alone\n",
		"alone/go.work":         "go 1.26.0\n\nuse .\n",
		"bench/go.mod":          "module bench\n",
		"cmd/mainstem/go.mod":   "module mainstem\n",
		"go.mod":                "module root\n",
		"tools/a/go.mod":        "module a\n",
		"tools/b/go.mod":        "module b\n",
		"examples/one/main.mod": "module one\n",
	}, "bench/go.mod: is not in go.work", "tools/a/go.mod: is a tool in go.work")
}
