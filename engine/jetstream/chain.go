package jetstream

import (
	"context"
	"errors"
	"fmt"

	"github.com/mainstemdb/mainstem/journal"
)

// place is a head, and how far behind it the stream was read.
//
// Invariant: no message from the head's up to end names the head as its
// predecessor.
type place struct {
	head journal.Head
	end  uint64 // sequence
}

// stand finds where head is in the stream. A head that the stream does not
// hold is ErrLost: nothing can follow it.
func (l *Log) stand(ctx context.Context, head journal.Head) (*place, error) {
	if n := l.conn.Stats().Reconnects; n != l.reconnects {
		l.reconnects, l.known = n, place{}
	}
	switch {
	case head == l.known.head:
		p := l.known
		return &p, nil
	case head.Index == 0:
		return &place{}, nil
	}
	if err := l.root(ctx); err != nil {
		return nil, err
	}
	seq := l.sequenceOf(head.Slot)
	last, err := l.tail(ctx)
	if err != nil {
		return nil, err
	}
	if l.slotOf(seq) != head.Slot || seq > last {
		return nil, fmt.Errorf("%w: slot %d of stream %s, where index %d should be, is not written", journal.ErrLost, head.Slot, l.name, head.Index)
	}
	m, err := l.must(ctx, seq)
	if err != nil {
		return nil, err
	}
	if !m.is(head) {
		return nil, fmt.Errorf("%w: slot %d of stream %s holds another record than index %d (%v)", journal.ErrLost, head.Slot, l.name, head.Index, head.Hash)
	}
	return &place{head: head, end: seq}, nil
}

// standAgain finds the place's head anew where the connection has come back since it was
// found: the servers may have lost what they had.
func (l *Log) standAgain(ctx context.Context, p *place) error {
	was := l.reconnects
	if l.conn.Stats().Reconnects == was {
		return nil
	}
	found, err := l.stand(ctx, p.head)
	if err != nil {
		l.reconnects = was // it is still to be found
		return err
	}
	*p = *found
	return nil
}

// is tells whether m is the record that head names, its slot apart.
func (m message) is(head journal.Head) bool {
	return m.kind == kindRecord && m.names.Index+1 == head.Index && journal.Sum(m.record) == head.Hash
}

// advance reads behind p.end up to the tail. It stops at the first record that
// names p.head, its one successor (L2), and returns that record's sequence and
// hash; a sequence of 0 says that there is none yet.
func (l *Log) advance(ctx context.Context, p *place) (uint64, journal.Hash, error) {
	last, err := l.tail(ctx)
	if err != nil {
		return 0, journal.Hash{}, err
	}
	for p.end < last {
		seq := p.end + 1
		m, err := l.must(ctx, seq)
		if err != nil {
			return 0, journal.Hash{}, err
		}
		if m.follows(p.head) {
			return seq, journal.Sum(m.record), nil
		}
		if err := l.void(ctx, p.head, seq, m); err != nil {
			return 0, journal.Hash{}, err
		}
		p.end = seq
	}
	return 0, journal.Hash{}, nil
}

// void is nil for a message behind head that readers skip: a proof, or a
// record that names an ancestor of head. Whether that ancestor is in the chain
// or is a void itself only the chain tells, and its reader knows that.
func (l *Log) void(ctx context.Context, head journal.Head, seq uint64, m message) error {
	n := m.names
	if n.Index == 0 || m.kind == kindProof && n == head {
		return nil
	}
	at := l.sequenceOf(n.Slot)
	if n.Index > head.Index || n.Index == head.Index && n.Hash != head.Hash || at >= seq {
		return l.damage(seq, fmt.Sprintf("it names index %d (%v), and the chain is at index %d (%v): a fork (L2)", n.Index, n.Hash, head.Index, head.Hash))
	}
	named, err := l.must(ctx, at)
	if err != nil {
		return err
	}
	if !named.is(n) {
		return l.damage(seq, fmt.Sprintf("it names index %d (%v) in slot %d, which holds another record: it belongs to another log (L2)", n.Index, n.Hash, n.Slot))
	}
	return nil
}

// outcome makes an error of Append exactly one of three.
func outcome(unsure bool, err error) error {
	switch {
	case errors.Is(err, journal.ErrLost):
		return err
	case unsure:
		return fmt.Errorf("%w: %w", journal.ErrUnknown, hideFailed{err})
	case errors.Is(err, journal.ErrFailed):
		return err
	}
	return fmt.Errorf("%w: %w", journal.ErrFailed, err)
}

// hideFailed keeps an error's text and lets it no longer be ErrFailed, which
// would say of an unknown outcome that it is known.
type hideFailed struct{ err error }

func (h hideFailed) Error() string { return h.err.Error() }

// Is is true of what the error is, ErrFailed apart.
func (h hideFailed) Is(target error) bool {
	return target != journal.ErrFailed && errors.Is(h.err, target) //nolint:errorlint // the sentinel itself
}

// As finds what is in the error.
func (h hideFailed) As(target any) bool { return errors.As(h.err, target) }
