package workload

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// LimitDocument is the largest description that is read, in bytes.
const LimitDocument = 1 << 20

// Decode reads a description. An empty one is valid, and says nothing. The
// error is a Problems: every field that does not exist, every value that cannot
// be read, and every contradiction, each with line and column.
func Decode(data []byte) (*Workload, error) {
	switch {
	case len(data) > LimitDocument:
		return nil, Problems{{What: fmt.Sprintf("%d bytes, more than %d; describe the operations that differ, not all of them", len(data), LimitDocument)}}
	case !utf8.Valid(data):
		return nil, Problems{{What: "not UTF-8; save the file as UTF-8"}}
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return &Workload{}, nil
	} else if err != nil {
		return nil, Problems{syntax(err)}
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, Problems{{What: "more than one document; a description is one, without a line of three dashes inside"}}
	}
	r := &reader{w: &Workload{}}
	r.mapping(doc.Content[0], "")
	if len(r.bad) == 0 {
		r.bad = check(r.w)
	}
	if len(r.bad) > 0 {
		slices.SortStableFunc(r.bad, func(a, b Problem) int {
			return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
		})
		return nil, r.bad
	}
	return r.w, nil
}

var yamlLine = regexp.MustCompile(`line (\d+): `)

// syntax turns an error of the YAML parser into a problem with its line.
func syntax(err error) Problem {
	what := strings.TrimPrefix(err.Error(), "yaml: ")
	p := Problem{What: "not YAML: " + what + "; the usual reasons are a tab, a missing space after a colon, or uneven indentation"}
	if m := yamlLine.FindStringSubmatch(what); m != nil {
		p.Line, _ = strconv.Atoi(m[1])
		p.Column = 1
		p.What = strings.Replace(p.What, m[0], "", 1)
	}
	return p
}

// reader collects values and problems on one walk over the document.
type reader struct {
	w   *Workload
	bad Problems
}

func (r *reader) problemf(n *yaml.Node, path, format string, args ...any) {
	if len(r.bad) < LimitProblems {
		r.bad = append(r.bad, Problem{Line: n.Line, Column: n.Column, Path: path, What: fmt.Sprintf(format, args...)})
	}
}

// mapping reads the map at a path: "" is the whole description.
func (r *reader) mapping(n *yaml.Node, path string) {
	if empty(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		r.problemf(n, path, "%s where fields are expected; write a name, a colon and a value, one a line%s", shape(n), among(path))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if first, twice := seen[key.Value]; twice {
			r.problemf(key, path, "%q is said twice, first in line %d; keep one", clip(key.Value), first)
			continue
		}
		seen[key.Value] = key.Line
		r.entry(key, value, path)
	}
}

func (r *reader) entry(key, value *yaml.Node, path string) {
	at := join(path, key.Value)
	t := table()
	_, isField := t.byPath[Generic(at)]
	switch {
	case key.Kind != yaml.ScalarNode || !plainName(key.Value):
		r.problemf(key, path, "%q is no name of a field%s", clip(key.Value), among(path))
	case isField:
		r.field(value, at)
	case t.lists[at]:
		r.list(value, at)
	case t.parents[at] || slices.ContainsFunc(t.sections, func(s Section) bool { return s.Path == at }):
		r.mapping(value, at)
	default:
		r.problemf(key, at, "no such field%s", r.suggest(path, key.Value))
	}
}

// suggest proposes a field: a near name beside it, or the same name elsewhere.
func (r *reader) suggest(path, name string) string {
	siblings := children(path)
	if near := nearest(name, siblings); near != "" {
		return fmt.Sprintf(", did you mean %q?", near)
	}
	for _, p := range allPaths() {
		if strings.HasSuffix(p, "."+name) {
			return fmt.Sprintf("; %q is known as %s", name, p)
		}
	}
	return among(path)
}

// among lists what may stand at a path.
func among(path string) string {
	names := children(path)
	if len(names) == 0 {
		return ""
	}
	return "; here are known: " + strings.Join(names, ", ")
}

// children are the names that may stand below a path, sorted.
func children(path string) []string {
	found := map[string]bool{}
	add := func(p string) {
		rest := p
		if path != "" {
			var below bool
			if rest, below = strings.CutPrefix(p, Generic(path)+"."); !below {
				return
			}
		}
		name, _, _ := strings.Cut(rest, ".")
		found[strings.TrimSuffix(name, "[]")] = true
	}
	for p := range table().byPath {
		add(p)
	}
	return slices.Sorted(maps.Keys(found))
}

func (r *reader) list(n *yaml.Node, path string) {
	switch {
	case empty(n):
		return
	case n.Kind != yaml.SequenceNode:
		r.problemf(n, path, "%s where a list is expected; begin each element with a dash, or write [] for none", shape(n))
		return
	case len(n.Content) > LimitElements:
		r.problemf(n, path, "%d elements, more than %d; describe the ones that differ", len(n.Content), LimitElements)
		return
	}
	r.w.setCount(path, len(n.Content))
	for i, element := range n.Content {
		r.mapping(element, fmt.Sprintf("%s[%d]", path, i))
	}
}

func (r *reader) field(n *yaml.Node, path string) {
	f, _ := Lookup(path)
	if n.Kind != yaml.ScalarNode {
		r.problemf(n, path, "%s where one value is expected; it is written like: %s", shape(n), f.Example)
		return
	}
	text := n.Value
	if empty(n) {
		text = ""
	}
	v, err := f.Parse(text)
	if err != nil {
		r.problemf(n, path, "%s", err)
		return
	}
	v.Line, v.Column = n.Line, n.Column
	r.w.put(path, v)
}

func empty(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// shape says in a user's words what a node is.
func shape(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "fields"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias (*name), which is not read,"
	case yaml.ScalarNode, yaml.DocumentNode:
	}
	return "a value"
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func plainName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '_' && (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
}
