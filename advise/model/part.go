package model

import "strconv"

// Part is a part of a model in words.
type Part struct {
	Noun string
	Name string
	Says string
	For  []string
	Basis
}

// Parts are all parts, in the order in which somebody reads them who begins with nothing.
func (m *Model) Parts() (parts []Part) {
	add := func(noun, name, says string, b Basis, about ...string) {
		parts = append(parts, Part{Noun: noun, Name: name, Says: says, For: about, Basis: b})
	}
	if m.Door.Door != "" {
		add("door", string(m.Door.Door), m.Door.Says, m.Door.Basis)
	}
	if r := m.Requests; r != nil {
		add("request", "ID", r.Says, r.Basis, r.For...)
	}
	for _, g := range m.Groups {
		says := "one group for each " + g.Of
		if !g.PerKey {
			says = "one group for every " + g.Of
		}
		add("group", g.Name, says, g.Basis, g.For...)
	}
	for _, k := range m.Keys {
		add("key", k.Group+" "+k.Name, k.Says, k.Basis, k.For...)
	}
	for _, s := range m.Streams {
		add("stream", s.Group+" "+s.Name, s.Says, s.Basis, s.For...)
	}
	for _, e := range m.Events {
		add("event", e.Type, e.Says+"; in "+e.Stream, e.Basis, e.For)
	}
	for _, v := range m.Views {
		says := v.Kept
		if v.Follower != "" {
			says = "by the follower " + v.Follower + ", at most " + v.Lag + " behind; " + v.Kept
		}
		add("view", v.Title, says, v.Basis)
	}
	for _, r := range m.Reads {
		add("read", r.Title, r.Says+"; from "+r.From, r.Basis)
	}
	for _, l := range m.Leases {
		says := l.Says
		if l.TTL != "" {
			says = "TTL " + l.TTL + "; " + says
		}
		add("lease", l.Title, says, l.Basis)
	}
	for i, s := range m.Steps {
		name := s.Title
		if s.Service != "" {
			name += " (" + s.Service + ")"
		}
		add("step "+strconv.Itoa(i+1), name, s.Says, s.Basis)
	}
	for _, c := range m.Calls {
		add("call", c.Title, c.Says, c.Basis)
	}
	return parts
}
