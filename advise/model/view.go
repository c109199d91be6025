package model

import (
	"fmt"
	"slices"
)

// View is something that is derived.
type View struct {
	Name     string `json:"name"`
	Title    string `json:"title"`
	Kind     string `json:"kind,omitempty"`
	Follower string `json:"follower,omitempty"` // none: it is changed in the same transaction
	Lag      string `json:"lag,omitempty"`      // at most; beyond it somebody is told
	Kept     string `json:"kept"`
	Basis
}

// Read is how a read is answered.
type Read struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	From  string `json:"from"`
	At    string `json:"at"` // latest, session, within, view
	Says  string `json:"says"`
	Basis
}

// keeping says where a view of a kind lives.
var keeping = map[string]string{
	"cache":     "in a cache that the follower fills and that may be emptied",
	"search":    "in a search engine of yours; Mainstem has no index of words",
	"timeline":  "as keys in the follower's groups, one list per reader",
	"aggregate": "as counters in the follower's groups, added in the transaction that moves its cursor",
	"view":      "as keys in the follower's groups, written in the transaction that moves its cursor",
	"warehouse": "in a warehouse of yours; the position goes into it with each batch",
}

// keptInPG says the same of PostgreSQL, where it differs.
var keptInPG = map[string]string{
	"timeline":  "as rows of a table of its own, written in the transaction that moves the consumer's place",
	"aggregate": "as rows of a table of its own, added to in the transaction that moves the consumer's place",
	"view":      "as rows of a table of its own, written in the transaction that moves the consumer's place",
}

func (p *proposal) views() {
	for _, e := range p.elements("derived") {
		kind, lag := p.text(e, "kind"), p.value(e, "staleness")
		kept := keeping[kind]
		if other := keptInPG[kind]; p.Door.Door == PG && other != "" {
			kept = other
		}
		fields := []string{e.path("kind"), e.path("staleness")}
		switch {
		case !lag.Known || kind == "":
			var missing []string
			for _, f := range []string{"kind", "staleness"} {
				if !p.value(e, f).Known {
					missing = append(missing, e.path(f))
				}
			}
			p.open("how "+e.title+" is kept", missing...)
		case lag.Amount == 0:
			p.Views = append(p.Views, View{Name: e.name, Title: e.title, Kind: kind, Kept: "in the group of what it is derived from", Basis: Basis{
				Reason:   "It may not lag, so the transaction that changes the data changes it too.",
				Rejected: "a follower", WhyNot: "However quick, it is behind for a moment.", Rules: p.fired("linearizable", "serializable"), Fields: fields,
			}})
		case len(p.Streams) == 0:
			p.open("what fills "+e.title, "operations[].key")
		default:
			p.Views = append(p.Views, View{Name: e.name, Title: e.title, Kind: kind, Follower: e.name, Lag: lag.Text, Kept: kept, Basis: Basis{
				Reason:   fmt.Sprintf("It may be %s behind, so no writer waits for it; its place and what it derived commit together.", lag.Text),
				Rejected: "changing it in the transaction that writes", WhyNot: "Every write would wait for it, and fail with it.",
				Rules: p.fired("derived-may-lag", "cqrs", "checkpoint-with-effect", "one-log"), Fields: fields,
			}})
		}
	}
}

// derivedFor are the kinds of views that can answer a shape of read, the best first.
var derivedFor = map[string][]string{
	"secondary_index": {"view", "search", "cache"},
	"full_text":       {"search"},
	"aggregate":       {"aggregate", "view", "search", "warehouse", "cache"},
	"cross_partition": {"view", "aggregate", "timeline", "search", "warehouse", "cache"},
}

func (p *proposal) reads() {
	for _, e := range p.elements("reads") {
		shape := p.text(e, "shape")
		switch {
		case shape == "":
			p.open("how "+e.title+" is answered", e.path("shape"))
		case derivedFor[shape] != nil:
			p.readView(e, shape)
		case !p.value(e, "staleness").Known:
			p.open("how "+e.title+" is answered", e.path("staleness"))
		case len(p.Groups) == 0:
			p.open("what "+e.title+" reads", "operations[].key", "operations[].partitionable")
		default:
			p.readGroup(e, shape)
		}
	}
}

// readView answers a read that no group can answer from a view.
func (p *proposal) readView(e element, shape string) {
	for _, kind := range derivedFor[shape] {
		i := slices.IndexFunc(p.Views, func(v View) bool { return v.Kind == kind })
		if i < 0 {
			continue
		}
		v := p.Views[i]
		p.Reads = append(p.Reads, Read{Name: e.name, Title: e.title, From: v.Title, At: "view", Says: "from the view, with how far it is shown beside it", Basis: Basis{
			Reason:   "It spans many owners, or asks by something else than the key; the view has paid that price before anybody asks.",
			Rejected: "asking all groups", WhyNot: "It is as slow as the slowest of them.",
			Rules: p.fired("cqrs", "derived-may-lag"), Fields: []string{e.path("shape"), "derived[].kind"},
		}})
		return
	}
	p.open("what answers "+e.title+": a view for "+shape+" is not described", "derived[].kind", "derived[].staleness")
}

// readGroup answers a read of one key, or of keys in order.
func (p *proposal) readGroup(e element, shape string) {
	r := Read{Name: e.name, Title: e.title, From: p.Groups[0].Name, Basis: Basis{Fields: []string{e.path("shape"), e.path("staleness")}}}
	if len(p.Groups) > 1 {
		r.From = "the group that it names"
	}
	old := p.value(e, "staleness")
	switch {
	case old.Amount > 0:
		r.At, r.Says = "within", "Within("+old.Text+"): from any copy that proves to be no older"
		r.Reason = "It may be " + old.Text + " old, and says so; a copy that cannot prove it refuses."
		r.Rejected, r.WhyNot = "whatever a copy has", "How old that is nobody knows."
		r.Rules = p.fired("local-quorum", "eventual", "session", "causal", "linearizable")
	case p.fires("session") || p.fires("causal"):
		r.At, r.Says = "session", "AtLeast(token): from any copy that has what this user has written and seen"
		r.Reason = "What has to be current is one's own; the token names it."
		r.Rejected, r.WhyNot = "Latest", "Every reader would pay for what one of them can notice."
		r.Rules = p.fired("session", "causal")
	default:
		r.At, r.Says = "latest", "Latest: everything that was acknowledged before it was asked"
		r.Reason = "It may not be old at all."
		r.Rejected, r.WhyNot = "AtLeast(token)", "It has one's own writes, and lacks those of others that nobody told about."
		r.Rules = p.fired("linearizable", "serializable")
	}
	if p.Door.Door == PG {
		r.Says += pgReads[r.At]
	}
	switch {
	case shape == "range" && p.fires("event-sourcing"):
		r.Says += "; the events of the stream in order"
	case shape == "range":
		r.Says += "; a scan of the group's keys in order"
	}
	p.Reads = append(p.Reads, r)
}

// pgReads say what a consistency is in PostgreSQL.
var pgReads = map[string]string{
	"within":  "; with pg, a replica whose lag Readers.Lag shows to be below that, else the primary",
	"session": "; with pg, Readers.Session",
	"latest":  "; with pg, the primary",
}
