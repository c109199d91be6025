package tidy

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// docs asks for a comment on every package and, where users look, on
// every exported name.
func docs(t *tree) (bad []violation) {
	bad = packageDocs(t)
	for _, f := range t.sourceFiles() {
		if slices.Contains(strings.Split(f.path, "/"), "internal") {
			continue
		}
		for _, decl := range f.ast.Decls {
			for _, name := range bare(decl) {
				bad = append(bad, t.at(f, name, fmt.Sprintf("exported %s has no comment", name.Name),
					"say what it promises: units, limits, errors"))
			}
		}
	}
	return bad
}

// packageDocs finds packages that do not say what they are.
func packageDocs(t *tree) (bad []violation) {
	first, said := map[string]*file{}, map[string]bool{}
	for _, f := range t.sourceFiles() {
		if first[f.dir()] == nil {
			first[f.dir()] = f
		}
		said[f.dir()] = said[f.dir()] || f.ast.Doc.Text() != ""
	}
	for _, f := range t.sourceFiles() {
		if first[f.dir()] == f && !said[f.dir()] {
			bad = append(bad, t.at(f, f.ast.Name, "package "+f.ast.Name.Name+" has no comment",
				"say in its main file, or in doc.go, what it is for"))
		}
	}
	return bad
}

// bare are the exported names of a declaration without a comment. The
// comment of a group speaks for its constants and variables, not for its types.
func bare(decl ast.Decl) (names []*ast.Ident) {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Doc.Text() == "" && d.Name.IsExported() && receiverExported(d) {
			names = append(names, d.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				lone := d.Doc.Text() != "" && len(d.Specs) == 1
				if s.Doc.Text() == "" && !lone && s.Name.IsExported() {
					names = append(names, s.Name)
				}
			case *ast.ValueSpec:
				if s.Doc.Text() != "" || s.Comment.Text() != "" || d.Doc.Text() != "" {
					continue
				}
				for _, n := range s.Names {
					if n.IsExported() && d.Tok != token.IMPORT {
						names = append(names, n)
					}
				}
			}
		}
	}
	return names
}

// receiverExported is true of functions, and of methods that users can see.
func receiverExported(d *ast.FuncDecl) bool {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return true
	}
	exported := true
	ast.Inspect(d.Recv.List[0].Type, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.IndexExpr:
			ast.Inspect(n.X, func(x ast.Node) bool {
				if id, ok := x.(*ast.Ident); ok {
					exported = id.IsExported()
				}
				return true
			})
			return false
		case *ast.Ident:
			exported = n.IsExported()
			return false
		}
		return true
	})
	return exported
}

func TestDocGoesRed(t *testing.T) {
	red(t, docs, plant{
		"a/a.go":          "package a\n",
		"b/b.go":          "// Package b is said.\npackage b\n\nfunc F() {}\n\ntype t int\n\nfunc (t) G() {}\n\n// T is said.\ntype T[K any] struct{}\n\nfunc (T[K]) M() {}\n",
		"b/b_test.go":     "package b\n\nfunc TestF() {}\n",
		"b/c.go":          "package b\n\nconst (\n\tA = 1 // A is said.\n\tB = 2\n)\n\n// Both are said.\nvar (\n\tC = 1\n\tD = 2\n)\n\n// A group.\ntype (\n\tE int\n\te int\n)\n",
		"internal/d/d.go": "// Package d is said.\npackage d\n\nfunc F() {}\n",
	},
		"a/a.go:1: package a has no comment",
		"b/b.go:4: exported F", "b/b.go:13: exported M",
		"b/c.go:5: exported B", "b/c.go:16: exported E")
}
