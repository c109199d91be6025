package model

import (
	"context"
	"slices"

	"github.com/mainstemdb/mainstem"
)

// snapshot is a view: a position, and the age at which it was taken.
type snapshot struct {
	backend *Backend
	group   string
	at      mainstem.Position
	age     mainstem.LogAge
	known   *mainstem.Receipt
	refused uint32 // highest attempt refused of the ID that was asked for
}

func (s *snapshot) Known() *mainstem.Receipt { return s.known }

func (s *snapshot) Stamp() mainstem.Stamp {
	return mainstem.Stamp{Token: tokenAt(s.at), Position: s.at, Age: s.age, Attempt: s.refused}
}

func (s *snapshot) Close() error { return nil }

func (s *snapshot) Read(_ context.Context, q mainstem.Query) (mainstem.Answer, error) {
	s.backend.mu.Lock()
	defer s.backend.mu.Unlock()
	m := s.backend.model
	if q.Kind == mainstem.QueryGroups {
		if s.group != "" {
			return mainstem.Answer{}, no(mainstem.WrongGroup, "groups are asked of the whole database")
		}
		return page(mainstem.Answer{Names: s.groups(q.Name)}, q.Max), nil
	}
	if s.group != "" && q.Group != s.group {
		return mainstem.Answer{}, no(mainstem.WrongGroup, q.Group)
	}
	g, a := m.group(q.Group), mainstem.Answer{}
	switch q.Kind {
	case mainstem.QueryGet:
		if v := g.key(q.Name, s.at); v.Exists {
			a.Versions = append(a.Versions, v)
		}
	case mainstem.QueryScan:
		for _, key := range sorted(g.keys) {
			if v := g.key(key, s.at); v.Exists && within(key, q.Name, q.To) {
				a.Versions = append(a.Versions, v)
			}
		}
	case mainstem.QueryEvents:
		a.Length = s.length(g, q.Name)
		a.Events = slices.Clone(g.streams[q.Name][min(q.After, a.Length):a.Length])
	case mainstem.QueryStreams:
		for _, stream := range sorted(g.streams) {
			if s.length(g, stream) > 0 && within(stream, q.Name, q.To) {
				a.Names = append(a.Names, stream)
			}
		}
	case mainstem.QueryLease:
		a.Lease = g.lease(q.Name, s.at)
	case mainstem.QueryID:
		if row, ok := m.remembered(g, s.age, q.Name); ok && row.at <= s.at && !row.voided {
			receipt := row.receipt
			receipt.Replayed = true
			a.Receipt = &receipt
		}
	case mainstem.QueryHistory:
		for _, v := range g.keys[q.Name] {
			if v.Position <= s.at {
				a.Versions = append([]mainstem.Version{v}, a.Versions...)
			}
		}
	default:
		return a, no(mainstem.Invalid, "query")
	}
	return page(a, q.Max), nil
}

func (s *snapshot) length(g *group, stream string) uint64 {
	n := uint64(0)
	for _, e := range g.streams[stream] {
		if e.Position <= s.at {
			n = e.Number
		}
	}
	return n
}

// groups are those after a name that hold a key or an event.
func (s *snapshot) groups(after string) []string {
	var names []string
	for _, name := range sorted(s.backend.model.groups) {
		g, holds := s.backend.model.groups[name], false
		for key := range g.keys {
			holds = holds || g.key(key, s.at).Exists
		}
		for stream := range g.streams {
			holds = holds || s.length(g, stream) > 0
		}
		if holds && name > after {
			names = append(names, name)
		}
	}
	return names
}

// page cuts an answer to at most n elements.
func page(a mainstem.Answer, n int) mainstem.Answer {
	longest := max(len(a.Versions), len(a.Events), len(a.Names))
	if n <= 0 || longest <= n {
		return a
	}
	a.Versions = a.Versions[:min(n, len(a.Versions))]
	a.Events = a.Events[:min(n, len(a.Events))]
	a.Names = a.Names[:min(n, len(a.Names))]
	a.More = true
	return a
}
