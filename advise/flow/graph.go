// Package flow draws where the data of a proposed model goes: from operations into
// groups, from there to what is derived, to systems outside, and to reads. One graph is
// drawn twice: as SVG, for a page, and as Mermaid, for Markdown. Nothing is in it that is
// not in the model.
package flow

import (
	"slices"

	"github.com/mainstemdb/mainstem/advise/model"
)

// Kind says what a node is.
type Kind string

// The kinds, in the order in which they are drawn.
const (
	Step      Kind = "step"
	Operation Kind = "operation"
	Group     Kind = "group"
	Feed      Kind = "feed"
	View      Kind = "view"
	Outside   Kind = "outside"
	Read      Kind = "read"
	Lease     Kind = "lease"
	Resource  Kind = "resource"
)

// Node is one box.
type Node struct {
	Kind  Kind
	Title string
	Says  []string
}

// Edge goes from one node to a later one, by index.
type Edge struct {
	From, To int
	Label    string
}

// Graph is the flow of a model. It has no nodes if there is nothing to draw.
type Graph struct {
	Door  string // what all of it is built with; empty while that is open
	Nodes []Node
	Edges []Edge
}

// Of is the graph of a model.
func Of(m *model.Model) *Graph {
	g := &Graph{}
	if m == nil {
		return g
	}
	g.Door = m.Door.Says
	g.steps(m)
	g.operations(m)
	groups := g.groups(m)
	feed := g.feed(m, groups)
	views := g.views(m, groups, feed)
	g.calls(m, feed)
	g.reads(m, groups, views)
	g.leases(m)
	return g
}

func (g *Graph) add(kind Kind, title string, says ...string) int {
	g.Nodes = append(g.Nodes, Node{Kind: kind, Title: title, Says: says})
	return len(g.Nodes) - 1
}

func (g *Graph) edge(from, to int, label string) {
	g.Edges = append(g.Edges, Edge{From: from, To: to, Label: label})
}

// steps of a workflow come one after the other.
func (g *Graph) steps(m *model.Model) {
	for i, s := range m.Steps {
		at := "a transaction of its own"
		if s.Service != "" {
			at = "a transaction of " + s.Service
		}
		undo := map[string]string{"yes": "can be made up for", "no": "nothing makes up for it", "unknown": "whether it can be made up for is open"}[s.Compensable]
		n := g.add(Step, s.Title, at+"; "+undo)
		if i > 0 {
			g.edge(n-1, n, "then")
		}
	}
}

// operations are those that have a group, or an ID.
func (g *Graph) operations(m *model.Model) {
	var ids, titles []string
	if m.Requests != nil {
		ids, titles = m.Requests.For, m.Requests.For
	}
	for _, group := range m.Groups {
		titles = slices.Concat(titles, group.For)
	}
	for i, title := range titles {
		if slices.Contains(titles[:i], title) {
			continue
		}
		says := "repetitions are not recognised"
		if slices.Contains(ids, title) {
			says = "with a request ID: once, however often it is sent"
		}
		g.add(Operation, title, says)
	}
}

// groups hold keys and streams. The index of each is given by name.
func (g *Graph) groups(m *model.Model) map[string]int {
	at := map[string]int{}
	for _, group := range m.Groups {
		var says []string
		for _, k := range m.Keys {
			if k.Group == group.Name {
				says = append(says, "key "+k.Name+": "+kept(k))
			}
		}
		for _, s := range m.Streams {
			if s.Group != group.Name {
				continue
			}
			role := "beside the state"
			if s.Truth {
				role = "the state is made of it"
			}
			says = append(says, "stream "+s.Name+": "+role)
			for _, e := range m.Events {
				if e.Stream == s.Group+" "+s.Name {
					says = append(says, "event "+e.Type)
				}
			}
		}
		n := g.add(Group, group.Name, says...)
		at[group.Name] = n
		for i, from := range g.Nodes[:n] {
			if from.Kind == Operation && slices.Contains(group.For, from.Title) {
				g.edge(i, n, "commits")
			}
		}
	}
	return at
}

func kept(k model.Key) string {
	switch {
	case k.Counter:
		return "a counter with a floor"
	case k.Reads:
		return "read and written in one transaction"
	}
	return "written without being read"
}

// feed is where followers read: the one group that has events, or the feed of several; -1
// without any.
func (g *Graph) feed(m *model.Model, groups map[string]int) int {
	var from []int
	for _, s := range m.Streams {
		if at, ok := groups[s.Group]; ok && !slices.Contains(from, at) {
			from = append(from, at)
		}
	}
	if len(from) < 2 || len(m.Views)+len(m.Calls) == 0 {
		return slices.Max(append(from, -1))
	}
	n := g.add(Feed, "the feed", "the events of all groups, those of each in their order")
	for _, group := range from {
		g.edge(group, n, "events")
	}
	return n
}

// views are filled by followers, or in the transactions of some group, which is only
// drawn if there is one.
func (g *Graph) views(m *model.Model, groups map[string]int, feed int) map[string]int {
	at := map[string]int{}
	for _, v := range m.Views {
		if v.Follower != "" {
			at[v.Title] = g.add(View, v.Title, "at most "+v.Lag+" behind; "+v.Kept)
			if feed >= 0 {
				g.edge(feed, at[v.Title], "follower "+v.Follower)
			}
			continue
		}
		at[v.Title] = g.add(View, v.Title, "in the same transaction; "+v.Kept)
		if len(m.Groups) == 1 {
			g.edge(groups[m.Groups[0].Name], at[v.Title], "in the same transaction")
		}
	}
	return at
}

func (g *Graph) calls(m *model.Model, feed int) {
	for _, c := range m.Calls {
		says := map[string]string{
			"yes": "called after the commit, with an ID: a repetition is recognised", "no": "called after the commit; it takes no ID and can do it twice",
			"unknown": "called after the commit; whether it takes an ID is open",
		}[c.TakesID]
		n := g.add(Outside, c.Title, says)
		if feed >= 0 {
			g.edge(feed, n, "after the commit")
		}
	}
}

// reads are answered by a group, a view, or whichever group they name; the latter has
// no line.
func (g *Graph) reads(m *model.Model, groups, views map[string]int) {
	for _, r := range m.Reads {
		says := map[string]string{
			"latest": "everything acknowledged before", "session": "what this user has written and seen", "view": "from the view, with its age",
			"within": "no older than it may be",
		}[r.At]
		n := g.add(Read, r.Title, says)
		from, isView := views[r.From]
		one, isGroup := groups[r.From]
		switch {
		case r.At == "view" && isView:
			g.edge(from, n, r.At)
		case isGroup:
			g.edge(one, n, r.At)
		default:
			g.Nodes[n].Says = append(g.Nodes[n].Says, "from "+r.From)
		}
	}
}

func (g *Graph) leases(m *model.Model) {
	for _, l := range m.Leases {
		ttl := "how long it is held is open"
		if l.TTL != "" {
			ttl = "one holder at a time, for " + l.TTL + " unless renewed"
		}
		holder := g.add(Lease, "lease of "+l.Title, ttl)
		checks := map[string]string{
			"yes": "refuses what carries an older token", "no": "does not check the token: a late holder can still change it",
			"unknown": "whether it checks the token is open",
		}[l.Checked]
		g.edge(holder, g.add(Resource, l.Title, checks), "token")
	}
}
