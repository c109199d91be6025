package flow

import (
	"fmt"
	"strings"
)

// shapes are the brackets of each kind of node.
var shapes = map[Kind][2]string{
	Step: {"([", "])"}, Operation: {"(", ")"}, Group: {"[(", ")]"}, Feed: {"(", ")"}, View: {"[[", "]]"}, Outside: {"{{", "}}"}, Read: {">", "]"}, Lease: {"([", "])"}, Resource: {"[", "]"},
}

// Mermaid is the graph as text that Mermaid draws, without a fence around it.
func (g *Graph) Mermaid() string {
	var b strings.Builder
	b.WriteString("flowchart TD\n")
	for i, n := range g.Nodes {
		shape := shapes[n.Kind]
		fmt.Fprintf(&b, "    n%d%s\"%s\"%s\n", i, shape[0], quoted(string(n.Kind)+": "+n.Title), shape[1])
	}
	for _, e := range g.Edges {
		fmt.Fprintf(&b, "    n%d -->|\"%s\"| n%d\n", e.From, quoted(e.Label), e.To)
	}
	return b.String()
}

// quoted is text between quotes of Mermaid: whatever could end them, or mean something
// to HTML or Markdown, is written by name.
func quoted(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	var b strings.Builder
	for _, r := range s {
		switch {
		case strings.ContainsRune("\"#<>&`*_\\;", r):
			fmt.Fprintf(&b, "#%d;", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
