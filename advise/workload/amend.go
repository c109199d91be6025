package workload

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Amend writes one value into a description and leaves the rest of the text,
// comments and layout, as it is. A list gets no further element. What cannot be
// written without touching more is an error, and never another description.
func Amend(text []byte, path, value string) ([]byte, error) {
	w, err := Decode(text)
	if err != nil {
		return nil, err
	}
	if err := w.Set(path, value); err != nil {
		return nil, err
	}
	if err := w.Check(); err != nil {
		return nil, err
	}
	e := &editor{text: string(text), value: scalar(w.Get(path).Kind, w.Get(path).String())}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	e.root(&doc, steps(path))
	after, err := Decode([]byte(e.text))
	if err != nil || !bytes.Equal(after.YAML(), w.YAML()) {
		return nil, fmt.Errorf("workload: %s: there is no place for it in this layout; write %s there by hand", path, e.value)
	}
	return []byte(e.text), nil
}

// steps are the names and indexes of a path.
func steps(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' })
}

// editor changes one place of a text.
type editor struct {
	text  string
	value string
}

// root begins at a document, which may be nothing but comments.
func (e *editor) root(doc *yaml.Node, path []string) {
	if len(doc.Content) == 0 || empty(doc.Content[0]) {
		e.add(path, "")
		return
	}
	e.mapping(doc.Content[0], nil, path)
}

// add adds a path at the end of the text.
func (e *editor) add(path []string, indent string) {
	if e.text != "" && !strings.HasSuffix(e.text, "\n") {
		e.text += "\n"
	}
	e.text += e.block(path, indent)
}

// block is a path and its value as lines.
func (e *editor) block(path []string, indent string) string {
	var b strings.Builder
	for i, name := range path {
		b.WriteString(indent + strings.Repeat("  ", i) + name + ":")
		if i == len(path)-1 {
			b.WriteString(" " + e.value)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// flow is a path and its value on one line.
func (e *editor) flow(path []string) string {
	return strings.Join(path, ": {") + ": " + e.value + strings.Repeat("}", len(path)-1)
}

// mapping goes down into a mapping, or adds to it. Its key is nil at the top.
func (e *editor) mapping(n, key *yaml.Node, path []string) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == path[0] {
			e.entry(n.Content[i], n.Content[i+1], path[1:])
			return
		}
	}
	switch {
	case n.Style&yaml.FlowStyle != 0:
		end := ", "
		if len(n.Content) == 0 {
			end = ""
		}
		e.splice(n.Line, n.Column, "{", "{"+e.flow(path)+end)
	case key == nil:
		e.add(path, "")
	case key.Line < n.Line: // below its key, so that no comment is parted from its field
		e.insertAfter(key.Line, e.block(path, strings.Repeat(" ", n.Column-1)))
	default: // an element: behind its first field
		e.insertAfter(n.Content[1].Line, e.block(path, strings.Repeat(" ", n.Column-1)))
	}
}

// entry goes down into the value of a key, or replaces it.
func (e *editor) entry(key, value *yaml.Node, path []string) {
	switch {
	case len(path) == 0:
		e.replace(key, value, e.value)
	case value.Kind == yaml.MappingNode:
		e.mapping(value, key, path)
	case value.Kind == yaml.SequenceNode:
		if i, err := strconv.Atoi(path[0]); err == nil && i < len(value.Content) {
			e.mapping(value.Content[i], value.Content[i], path[1:])
		}
	case empty(value) && value.Value == "":
		e.insertAfter(key.Line, e.block(path, strings.Repeat(" ", key.Column+1)))
	case empty(value):
		e.replace(key, value, "{"+e.flow(path)+"}")
	}
}

// replace puts a text in the place of a scalar.
func (e *editor) replace(key, n *yaml.Node, text string) {
	switch {
	case n.Value == "" && empty(n):
		e.splice(key.Line, key.Column, key.Value+":", key.Value+": "+text)
	case n.Style&yaml.DoubleQuotedStyle != 0:
		e.splice(n.Line, n.Column, `"`+n.Value+`"`, text)
	case n.Style&yaml.SingleQuotedStyle != 0:
		e.splice(n.Line, n.Column, "'"+n.Value+"'", text)
	default:
		e.splice(n.Line, n.Column, n.Value, text)
	}
}

// splice replaces a text that begins at a line and a column, from 1; nothing
// where it is not there.
func (e *editor) splice(line, column int, old, text string) {
	lines := strings.SplitAfter(e.text, "\n")
	if line < 1 || line > len(lines) {
		return
	}
	at, here := 0, lines[line-1]
	for range column - 1 { // columns count characters
		_, size := utf8.DecodeRuneInString(here[at:])
		at += size
	}
	if rest, ok := strings.CutPrefix(here[at:], old); ok {
		lines[line-1] = here[:at] + text + rest
		e.text = strings.Join(lines, "")
	}
}

func (e *editor) insertAfter(line int, text string) {
	lines := strings.SplitAfter(e.text, "\n")
	if line < 1 || line > len(lines) {
		return
	}
	if !strings.HasSuffix(lines[line-1], "\n") {
		lines[line-1] += "\n"
	}
	e.text = strings.Join(slices.Insert(lines, line, text), "")
}
