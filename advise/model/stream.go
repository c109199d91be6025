package model

import (
	"fmt"
	"slices"
	"strings"
)

// Stream is a sequence of events in a group.
type Stream struct {
	Group string   `json:"group"`
	Name  string   `json:"name"`
	Truth bool     `json:"truth,omitempty"` // state is made of it, rather than beside it
	Says  string   `json:"says"`
	For   []string `json:"for"`
	Basis
}

// Event is a type of event.
type Event struct {
	Type   string `json:"type"` // item.reserved.v1
	Stream string `json:"stream"`
	For    string `json:"for"` // the operation
	Says   string `json:"says"`
	Basis
}

// followers are the decisions that need events.
var followers = []string{"event-sourcing", "one-log", "log-broker", "cqrs", "checkpoint-with-effect", "derived-may-lag"}

func (p *proposal) streams() {
	why := p.fired(followers...)
	if len(why) == 0 {
		p.open("a stream of events", p.missing(followers...)...)
		return
	}
	for _, o := range p.operations {
		p.event(o, p.stream(o, why))
	}
}

// stream finds or proposes the stream of an operation's group, and gives its name.
func (p *proposal) stream(o operation, why []string) string {
	if i := slices.IndexFunc(p.Streams, func(s Stream) bool { return s.Group == o.group }); i >= 0 {
		s := &p.Streams[i]
		s.For, s.Fields = append(s.For, o.title), append(s.Fields, o.path("kind"), o.path("key"))
		return p.Streams[i].Name
	}
	s := Stream{Group: o.group, Name: "events", For: []string{o.title}, Basis: Basis{Rules: why, Fields: []string{o.path("kind"), o.path("key")}}}
	if s.Truth = p.fires("event-sourcing"); s.Truth {
		s.Says = "what has happened; the state is made of it, from a snapshot on"
		s.Reason = "The reason of a change is kept with it, and every later view can be made from it."
		s.Rejected, s.WhyNot = "rows, with events beside them", "The rows would be the truth, and why they are so would be gone."
	} else {
		s.Says = "what has happened, appended in the transaction that changes the state"
		s.Reason = "Change and event commit together, and whoever follows sees both or neither."
		s.Rejected, s.WhyNot = "a message to a broker after the commit", "A crash between the two loses the event, and nobody notices."
	}
	p.Streams = append(p.Streams, s)
	return s.Name
}

func (p *proposal) event(o operation, stream string) {
	said := p.text(o.element, "event")
	e := Event{Stream: o.group + " " + stream, For: o.title, Basis: Basis{
		Rejected: "one type for every change", WhyNot: "Readers would have to look inside to learn what has happened.",
		Rules: p.fired("evolve-schema", "event-sourcing"), Fields: []string{o.path("event")},
	}}
	e.Type = strings.ReplaceAll(Plain(said), "-", ".")
	e.Says = "version 1 of " + said
	e.Reason = "It says what has happened, in the words of the description. A field may be added under this name; another shape is v2 beside it."
	if e.Type == "" {
		group, _, _ := strings.Cut(o.group, "/")
		e.Type = group + "." + o.name
		e.Says = "version 1 of what " + o.title + " does"
		e.Reason = fmt.Sprintf("It is named by the operation, because nobody said what has happened after %s. Rename it before the first is written: it stays.", o.title)
	}
	if e.Type += ".v1"; slices.ContainsFunc(p.Events, func(x Event) bool { return x.Type == e.Type }) {
		e.Type = strings.TrimSuffix(e.Type, ".v1") + "." + o.name + ".v1"
	}
	p.Events = append(p.Events, e)
}
