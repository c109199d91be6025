package tidy

import (
	"errors"
	"go/ast"
	"go/importer"
	"go/types"
	"slices"
	"testing"
)

// mapRanges refuses a range over a map in the pure rooms: its order differs
// between two runs, and two nodes would reach two states (L3). Only types
// tell a map from a slice, so the rooms are type-checked here, from source.
func mapRanges(t *tree) (bad []violation) {
	src := &source{tree: t, std: importer.ForCompiler(t.fset, "source", nil), done: map[string]*types.Package{}}
	for _, dir := range pureRooms {
		info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}}
		files := src.check(dir, info)
		for _, f := range files {
			bad = append(bad, mapOrder(t, f, info)...)
		}
	}
	return bad
}

// mapOrder finds where a file lets the order of a map out: a range over it, or
// maps.Keys, Values and All, unless they go straight into a sort.
func mapOrder(t *tree, f *file, info *types.Info) (bad []violation) {
	const do = "range over slices.Sorted(maps.Keys(m)), or keep a slice (L3)"
	ast.Inspect(f.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.RangeStmt:
			if typ := info.Types[n.X].Type; typ != nil && isMap(typ) {
				bad = append(bad, t.at(f, n, f.dir()+" is pure and ranges over a map", do))
			}
		case *ast.CallExpr:
			if from(info, n, "slices", "Sorted", "SortedFunc", "SortedStableFunc") {
				return false
			}
			if from(info, n, "maps", "Keys", "Values", "All") {
				bad = append(bad, t.at(f, n, f.dir()+" is pure and lists a map without order", do))
			}
		}
		return true
	})
	return bad
}

func isMap(typ types.Type) bool {
	if p, ok := typ.(*types.TypeParam); ok {
		typ = p.Constraint()
	}
	switch u := typ.Underlying().(type) {
	case *types.Map:
		return true
	case *types.Interface: // a constraint: a map if any of its terms is one
		for e := range u.EmbeddedTypes() {
			union, ok := e.(*types.Union)
			for i := 0; ok && i < union.Len(); i++ {
				if isMap(union.Term(i).Type()) {
					return true
				}
			}
		}
	}
	return false
}

// from reports whether a call calls one of the functions of a package.
func from(info *types.Info, call *ast.CallExpr, pkg string, fns ...string) bool {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	fn, ok := info.Uses[sel.Sel].(*types.Func)
	return ok && fn.Pkg() != nil && fn.Pkg().Path() == pkg && slices.Contains(fns, fn.Name())
}

// source imports our packages from the tree and the standard library from
// its source. Anything else stays unknown: finding it would take the go command.
type source struct {
	tree *tree
	std  types.Importer
	done map[string]*types.Package
}

func (s *source) Import(p string) (*types.Package, error) {
	if pkg := s.done[p]; pkg != nil {
		return pkg, nil
	}
	switch {
	case p == modulePath:
		s.check(".", nil)
	case under(p, modulePath):
		s.check(p[len(modulePath)+1:], nil)
	case outside(p):
		return nil, errors.New("tidy: not looked at: " + p)
	default:
		return s.std.Import(p)
	}
	return s.done[p], nil
}

// check type-checks one directory. It goes on after an error: the compiler
// reports those, and a half-known package still shows its maps.
func (s *source) check(dir string, info *types.Info) []*file {
	var files []*file
	var asts []*ast.File
	for _, f := range s.tree.files {
		if f.dir() == dir && f.ast != nil && !f.isTest() {
			files, asts = append(files, f), append(asts, f.ast)
		}
	}
	p := modulePath
	if dir != "." {
		p += "/" + dir
	}
	conf := types.Config{Importer: s, Error: func(error) {}}
	s.done[p], _ = conf.Check(p, s.tree.fset, asts, info) // errors went to conf.Error
	return files
}

func TestMapRangeGoesRed(t *testing.T) {
	red(t, mapRanges, plant{
		"a.go":                     "package mainstem\n\ntype Set map[string]bool\n\nvar Any = Set{}\n",
		"internal/state/a.go":      "package state\n\nvar m map[int]int\n\nfunc f() {\n\tfor range m {\n\t}\n}\n",
		"internal/state/a_test.go": "package state\n\nfunc g() {\n\tfor range m {\n\t}\n}\n",
		"internal/state/b.go":      "package state\n\nvar s []int\n\nfunc h() {\n\tfor range s {\n\t}\n}\n",
		"internal/state/c.go":      "package state\n\nimport \"" + modulePath + "\"\n\nfunc k() {\n\tfor range mainstem.Any {\n\t}\n}\n",
		"internal/state/d.go":      "package state\n\nfunc l[M ~map[int]int | ~map[int]string](m M) {\n\tfor range m {\n\t}\n}\n",
		"internal/state/e.go": "package state\n\nimport (\n\t\"maps\"\n\t\"slices\"\n)\n\nfunc o() {\n\tfor range slices.Sorted(maps.Keys(m)) {\n\t}\n" +
			"\tfor range maps.Values(m) {\n\t}\n\tfor range maps.Clone(m) {\n\t}\n}\n",
		"internal/record/a.go": "package record\n\nvar m = map[int]int{}\n\nfunc f() {\n\tfor k := range m {\n\t\t_ = k\n\t}\n}\n",
	},
		"internal/state/a.go:6: internal/state is pure and ranges",
		"internal/state/c.go:6: internal/state is pure and ranges",
		"internal/state/d.go:4: internal/state is pure and ranges",
		"internal/state/e.go:11: internal/state is pure and lists",
		"internal/state/e.go:13: internal/state is pure and ranges",
		"internal/record/a.go:6: internal/record is pure and ranges")
}
