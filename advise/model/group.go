package model

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mainstemdb/mainstem/advise/rules"
)

// Group is a unit of transaction and of placement.
type Group struct {
	Name   string   `json:"name"` // item/{item}, or account for all of them
	Of     string   `json:"of"`   // the key of the description: item
	PerKey bool     `json:"per_key"`
	For    []string `json:"for"` // operations
	Basis
}

// Key is a datum in a group.
type Key struct {
	Group   string   `json:"group"`
	Name    string   `json:"name"`
	Counter bool     `json:"counter,omitempty"` // changed by adding within bounds
	Reads   bool     `json:"reads,omitempty"`   // what was read becomes a condition
	Says    string   `json:"says"`
	For     []string `json:"for"`
	Basis
}

// Requests is how repeated requests are told from new ones.
type Requests struct {
	Says string   `json:"says"`
	For  []string `json:"for"`
	Basis
}

func (p *proposal) requests() {
	if !p.fires("request-ids") {
		p.open("how a repeated request is recognised", p.missing("request-ids")...)
		return
	}
	r := Requests{Says: "The first sender makes an ID; it is kept through every retry, and remembered for 24 h or longer than the longest retry", Basis: Basis{
		Reason:   "The ID commits with the change, so that a repetition gets the first answer and changes nothing.",
		Rejected: "a table of seen IDs beside the data", WhyNot: "A crash between the two writes does the work twice, or never.",
		Rules: []string{"request-ids"}, Fields: []string{"failure.components_fail", "failure.outcome_unknown"},
	}}
	for _, e := range p.elements("operations") {
		if k := p.text(e, "kind"); k == "write" || k == "decide" {
			r.For = append(r.For, e.title)
		}
	}
	p.Requests = &r
}

// groups proposes a group for each key that operations name, and the keys in it.
func (p *proposal) groups() {
	hot, _ := rules.LookupThreshold("hot_key")
	for _, e := range p.elements("operations") {
		kind, key, whole := p.text(e, "kind"), p.text(e, "key"), p.value(e, "partitionable")
		switch {
		case kind == "read":
			continue
		case kind == "":
			p.open("where "+e.title+" writes", e.path("kind"))
			continue
		case Plain(key) == "":
			p.open("a group for "+e.title, e.path("key"))
			continue
		case !whole.Known:
			p.open("a group for "+e.title, e.path("partitionable"))
			continue
		}
		o := operation{element: e, kind: kind}
		share := p.value(e, "hottest_key")
		o.hot = share.Known && share.Amount >= hot.Amount() && p.fires("split-hot-key")
		o.group = p.group(e, Plain(key), whole.Yes())
		p.operations = append(p.operations, o)
		p.key(o)
	}
	if n, known := p.w.Count("operations"); !known || n == 0 {
		p.open("groups and keys", "operations[].kind", "operations[].key")
	}
}

// group finds or proposes the group of an operation, and gives its name.
func (p *proposal) group(e element, of string, perKey bool) string {
	name := of
	if perKey {
		name = of + "/{" + of + "}"
	}
	fields := []string{e.path("key"), e.path("partitionable")}
	if i := slices.IndexFunc(p.Groups, func(g Group) bool { return g.Name == name }); i >= 0 {
		p.Groups[i].For = append(p.Groups[i].For, e.title)
		p.Groups[i].Fields = append(p.Groups[i].Fields, fields...)
		return name
	}
	g := Group{Name: name, Of: of, PerKey: perKey, For: []string{e.title}, Basis: Basis{
		Reason: fmt.Sprintf("Everything that one %s touches belongs to one %s, so groups share no order, and one that is busy does not hold up the others.", e.title, of),
		Rules:  p.fired("partition", "linearizable", "serializable", "compare-and-set", "rows", "event-sourcing"), Fields: fields,
	}}
	g.Rejected, g.WhyNot = "one group for all", fmt.Sprintf("Every %s would wait for every other, and all of it would be one partition.", e.title)
	if !perKey {
		g.Reason = fmt.Sprintf("One %s touches more than one %s, and only what is in one group changes together.", e.title, of)
		g.Rejected = fmt.Sprintf("a group for each %s", of)
		g.WhyNot = fmt.Sprintf("One %s would be several transactions, with states between them that others see.", e.title)
	}
	if p.Door.Door == PG {
		g.Reason += " In PostgreSQL a group is the rows that one transaction locks."
	}
	p.Groups = append(p.Groups, g)
	return name
}

// key proposes what an operation changes in its group.
func (p *proposal) key(o operation) {
	sourced := p.fires("event-sourcing")
	careful := p.fired("linearizable", "serializable", "compare-and-set")
	k := Key{Group: o.group, For: []string{o.title}}
	of := ""
	if !strings.HasSuffix(o.group, "}") { // one group for all: the key has to tell them apart
		of = "/{" + o.group + "}"
	}
	switch {
	case o.kind == "decide" && o.hot:
		k.Name, k.Counter = "left"+of, true
		k.Says = "a counter: what may still be given away; it is changed by adding, with a floor of 0"
		k.Basis = Basis{
			Reason:   fmt.Sprintf("One key gets %s of %s; an addition with a floor needs no reading, so that there is nothing to conflict on.", p.text(o.element, "hottest_key"), o.title),
			Rejected: "a value that is read, compared and written", WhyNot: "Under this load most attempts would be repeated.",
			Rules: append([]string{"split-hot-key"}, careful...), Fields: []string{o.path("kind"), o.path("hottest_key")},
		}
	case sourced:
		return // the stream is the state
	case o.kind == "decide" && len(careful) == 0:
		p.open("how "+o.title+" decides", p.missing("linearizable", "serializable", "compare-and-set")...)
		return
	case o.kind == "decide":
		k.Name, k.Reads = "state"+of, true
		k.Says = "one value that is read and written in the transaction that decides; what was read is its condition"
		k.Basis = Basis{
			Reason:   "The decision commits only if what it was made on is still so, whoever else decides.",
			Rejected: "a lock around reading and writing", WhyNot: "It costs round trips when nobody competes, and is lost in a pause.",
			Rules: careful, Fields: []string{o.path("kind")},
		}
	default:
		k.Name = "state" + of
		k.Says = "one value that is written without being read"
		k.Basis = Basis{
			Reason:   o.title + " does not look at what is there, so there is no condition to check.",
			Rejected: "a condition on the version", WhyNot: "It would refuse writes that nobody wants refused.",
			Rules: p.fired("rows"), Fields: []string{o.path("kind")},
		}
	}
	p.keep(k)
}

// keep adds a key, or its operation to one that is there. One reader makes it a key that is read.
func (p *proposal) keep(k Key) {
	i := slices.IndexFunc(p.Keys, func(x Key) bool { return x.Group == k.Group && x.Name == k.Name })
	if i < 0 {
		p.Keys = append(p.Keys, k)
		return
	}
	at := &p.Keys[i]
	at.For, at.Fields = append(at.For, k.For...), append(at.Fields, k.Fields...)
	if k.Reads && !at.Reads {
		at.Reads, at.Says, at.Reason, at.Rejected, at.WhyNot, at.Rules = true, k.Says, k.Reason, k.Rejected, k.WhyNot, k.Rules
	}
}

// InGroup is the name of a group for one value of its key: item/42 of item/{item}.
func (g Group) InGroup(value string) string {
	return strings.ReplaceAll(g.Name, "{"+g.Of+"}", value)
}
