package tidy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Names that say nothing: whatever lands in such a package could have landed
// anywhere.
var (
	emptyNames    = []string{"util", "utils", "common", "helper", "helpers", "misc", "base", "shared", "lib", "tools"}
	emptySuffixes = []string{"util", "utils", "helper", "helpers"}
)

// names refuses packages that are called after nothing in particular.
func names(t *tree) (bad []violation) {
	for _, f := range t.goFiles() {
		name := f.ast.Name.Name
		empty := slices.Contains(emptyNames, strings.TrimSuffix(name, "_test")) ||
			slices.ContainsFunc(emptySuffixes, func(s string) bool { return strings.HasSuffix(name, s) })
		if empty {
			bad = append(bad, t.at(f, f.ast.Name, fmt.Sprintf("package %s says nothing", name),
				"name it after the noun it holds"))
		}
	}
	return bad
}

func TestNameGoesRed(t *testing.T) {
	red(t, names, plant{
		"a/a.go":      "package util\n",
		"b/b.go":      "package strutil\n",
		"c/c_test.go": "package common_test\n",
		"d/d.go":      "package database\n",
	}, "a/a.go:1: package util", "b/b.go:1: package strutil", "c/c_test.go:1: package common_test")
}
