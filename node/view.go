package node

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/breaklaw"
	"github.com/mainstemdb/mainstem/internal/state"
)

// snapshot is an open view: per partition that it covers, a frozen state.
type snapshot struct {
	node  *Node
	group string // the one group; empty for the whole database
	cuts  []cut
	one   [1]cut // room for the cuts of a view of one group
	known *mainstem.Receipt
	stamp mainstem.Stamp
	// waited is whether this node had to catch up with its log first.
	waited bool

	closed atomic.Bool
}

type cut struct {
	p      *partition
	frozen *frozen
	state.Reading
}

// View opens a frozen view. A node of an embedded database is the only writer,
// by the lock on its directory: what it has applied is the tail, so Latest,
// AtLeast, Within and Local are one and the same there. On a shared log each gets
// the proof that it needs first (L8).
func (n *Node) View(ctx context.Context, r mainstem.ViewRequest) (mainstem.Snapshot, error) {
	return n.view(ctx, r, false)
}

func (n *Node) view(ctx context.Context, r mainstem.ViewRequest, direct bool) (mainstem.Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return nil, typed(err, "view")
	}
	s := &snapshot{node: n, group: r.Group}
	s.cuts = s.one[:0]
	parts := n.parts
	if r.Group != "" {
		if err := errors.Join(mainstem.CheckGroup(r.Group), r.ID.Validate()); err != nil {
			return nil, err
		}
		parts = []*partition{n.partitionOf(r.Group)}
	} else if !r.ID.IsZero() {
		return nil, mainstem.Errorf(mainstem.Invalid, "an ID is looked up in its group; the view names none")
	}
	for _, p := range parts {
		waited, err := p.attain(ctx, r.At, direct)
		if err != nil {
			s.Close()
			return nil, err
		}
		s.waited = s.waited || waited
		c, err := p.cut(r.At, r.Group != "" || len(n.parts) == 1)
		if err != nil {
			s.Close()
			return nil, err
		}
		s.cuts = append(s.cuts, c)
	}
	if err := s.finish(r); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// cut freezes one partition at the asked consistency.
func (p *partition) cut(at mainstem.Consistency, one bool) (cut, error) {
	if err := p.down(); err != nil {
		return cut{}, err
	}
	f := p.hold()
	tail := f.tail
	c := cut{p: p, frozen: f, Reading: state.Reading{Rows: f.rows, Tail: tail, At: tail.Last}}
	var err error
	switch at.Level {
	case mainstem.LevelLatest, mainstem.LevelLocal:
	case mainstem.LevelWithin:
		if at.Staleness < 0 {
			err = mainstem.Errorf(mainstem.Invalid, "within %s, which is negative", at.Staleness)
		}
	case mainstem.LevelAtLeast:
		err = c.atLeast(at.Token)
	case mainstem.LevelAsOf:
		c.At = at.Position
		switch {
		case breaklaw.On("L8"):
			c.At = tail.Last
		case !one:
			err = mainstem.Errorf(mainstem.Invalid, "a position belongs to one partition; ask for a group's view, or as of a time")
		case at.Position > tail.Last:
			beyond := mainstem.Errorf(mainstem.HistoryLost, "position %s is beyond the last one, %s", at.Position, tail.Last)
			beyond.Advice = "ask for a position up to " + tail.Last.String()
			err = beyond
		}
	case mainstem.LevelAsOfTime:
		c.At, err = state.LastBefore(f.rows, tail.Last, func(place state.Place) bool { return place.Wall < at.Time.UnixNano() })
	default:
		err = mainstem.Errorf(mainstem.Invalid, "the view names no consistency: say Latest, AtLeast, Within, AsOf, AsOfTime or Local (L8)")
	}
	if past := tail.Outside(); err == nil && c.At < tail.Last && c.At <= past && past > 0 {
		err = mainstem.Errorf(mainstem.Trimmed, "position %s: this log goes on from a history outside, which ended at %s (L1)", c.At, past)
	}
	if err != nil {
		f.release()
		return cut{}, p.damaged(err)
	}
	return c, nil
}

// atLeast checks what a token has seen of this partition.
func (c *cut) atLeast(t mainstem.Token) error {
	for _, m := range t.Marks() {
		if m.Partition >= len(c.p.node.parts) {
			return mainstem.Errorf(mainstem.HistoryLost, "the token has seen partition %d; this database has %d", m.Partition, len(c.p.node.parts))
		}
		if m.Partition != c.p.id || breaklaw.On("L1") || breaklaw.On("L8") {
			continue
		}
		ahead, err := c.Tail.Has(c.Rows, m)
		if err != nil {
			return err
		}
		if ahead {
			return mainstem.Errorf(mainstem.HistoryLost, "partition %d ends at position %s; the token has seen %s of the same incarnation (L1)", m.Partition, c.Tail.Last, m.Position)
		}
	}
	return nil
}

// finish looks up the ID and says where the view is frozen.
func (s *snapshot) finish(r mainstem.ViewRequest) error {
	if err := s.see(); err != nil {
		return err
	}
	if s.group == "" && len(s.cuts) != 1 {
		return nil
	}
	c := &s.cuts[0]
	s.stamp.Position, s.stamp.Age, s.stamp.Wall = c.At, c.p.age(c.Tail), wallTime(c.Tail.Wall)
	if r.ID.IsZero() {
		return nil
	}
	refused, err := state.RefusedAttempts(c.Rows, c.Tail, r.Group, r.ID)
	if err != nil {
		return c.p.damaged(err)
	}
	s.stamp.Attempt = refused
	known, err := state.Known(c.Rows, c.Tail, r.Group, r.ID, r.Fingerprint, s.stamp.Age)
	if err != nil {
		return c.p.damaged(err)
	}
	s.known = known
	if known == nil {
		return nil
	}
	return c.p.completeFrom(c.Rows, c.Tail, known)
}

// see makes the token of what the view shows.
func (s *snapshot) see() error {
	if c := &s.cuts[0]; len(s.cuts) == 1 && c.At == c.Tail.Last {
		s.stamp.Token = c.frozen.token
		return nil
	}
	marks := make([]mainstem.Mark, 0, len(s.cuts))
	for _, c := range s.cuts {
		m, err := c.Tail.MarkAt(c.Rows, c.At)
		if err != nil {
			return c.p.damaged(err)
		}
		marks = append(marks, m)
	}
	s.stamp.Token = mainstem.NewToken(marks...)
	return nil
}

// Known is the first receipt of the ID that the request asked for.
func (s *snapshot) Known() *mainstem.Receipt { return s.known }

// Waited reports whether the node had to catch up with others first, for what the view
// asked for.
func (s *snapshot) Waited() bool { return s.waited }

// Stamp says where the view is frozen.
func (s *snapshot) Stamp() mainstem.Stamp { return s.stamp }

// Close releases the frozen states.
func (s *snapshot) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	for i := range s.cuts {
		s.cuts[i].frozen.release()
	}
	return nil
}

// Read answers one question.
func (s *snapshot) Read(ctx context.Context, q mainstem.Query) (mainstem.Answer, error) {
	if err := ctx.Err(); err != nil {
		return mainstem.Answer{}, typed(err, "read")
	}
	if s.closed.Load() {
		return mainstem.Answer{}, mainstem.Errorf(mainstem.Invalid, "the view was closed")
	}
	if err := q.Validate(); err != nil {
		return mainstem.Answer{}, err
	}
	if q.Kind == mainstem.QueryGroups {
		return s.groups(q)
	}
	if s.group != "" && q.Group != s.group {
		return mainstem.Answer{}, mainstem.Errorf(mainstem.WrongGroup, "the view is of group %q, the query of %q", s.group, q.Group)
	}
	c := &s.cuts[0]
	if s.group == "" {
		c = &s.cuts[s.node.partitionOf(q.Group).id]
	}
	a, err := c.Answer(q)
	if err == nil && a.Receipt != nil {
		err = c.p.completeFrom(c.Rows, c.Tail, a.Receipt)
	}
	return a, c.p.damaged(err)
}

// groups walks the partitions in the order of their slots.
func (s *snapshot) groups(q mainstem.Query) (mainstem.Answer, error) {
	if s.group != "" {
		return mainstem.Answer{}, mainstem.Errorf(mainstem.WrongGroup, "the view is of group %q alone", s.group)
	}
	first := 0
	if q.Name != "" {
		first = s.node.partitionOf(q.Name).id
	}
	var all mainstem.Answer
	for i := first; i < len(s.cuts); i++ {
		if i > first {
			q.Name = ""
		}
		a, err := s.cuts[i].Answer(q)
		if err != nil {
			return mainstem.Answer{}, s.cuts[i].p.damaged(err)
		}
		all.Names = append(all.Names, a.Names...)
		if a.More || len(a.Names) > 0 {
			all.More = a.More || i+1 < len(s.cuts)
			return all, nil
		}
	}
	return all, nil
}
