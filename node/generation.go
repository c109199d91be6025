package node

import (
	"context"
	"errors"
	"math"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/blob"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/internal/state"
	"github.com/mainstemdb/mainstem/journal"
)

// generation is the log that a partition is on. Before a move there is one; a move
// goes on in another, which holds a copy of the one before, and has the names of the
// chain for its records, but slots of its own.
type generation struct {
	journal.Log             // by the indexes of the chain, once its base is known
	raw         journal.Log // as the engine has it
	// id is the engine's. The first one's is that of the database.
	id record.UUID
	// shared says that other nodes append to it, too.
	shared bool
	// blobs is a store that the engine has beside the log, or nil.
	blobs      blob.Store
	guarantees journal.Guarantees
	// number is how many moves have led here.
	number int
	// Up to moved, records are copies: the slots that the state has for them are of
	// logs before. Behind base is the first that there is.
	moved, base uint64
}

// log is the generation that the partition is on.
func (p *partition) log() *generation { return p.on.Load() }

// blobs is where the partition's snapshots are: in the store that was named, else
// beside the log in use; nil if there is none.
func (p *partition) blobs() blob.Store {
	if named := p.node.cfg.Snapshots; named != nil {
		return named
	}
	return p.log().blobs
}

// shared reports whether other nodes append to this partition's log too: it is so of
// the log in use, which a move changes.
func (p *partition) shared() bool { return p.log().shared }

// from is a slot at or below that of the record with an index. The slot that was
// found with it, or one behind that of the record before it, is taken if it is of
// this log. A copy has its records in their order: none can be below its index
// less the base. Slot 0 is of a record that the log has never had.
func (g *generation) from(index, slot uint64) uint64 {
	switch {
	case index > g.moved+1, g.number == 0:
		return slot
	case index <= g.base:
		return 0
	}
	return index - g.base
}

// slot is at or below that of a record whose place the state has.
func (g *generation) slot(h journal.Head) uint64 {
	if h.Index > g.moved {
		return h.Slot
	}
	return g.from(h.Index, h.Slot)
}

// adopt takes over what the tail says of this log, if it says anything.
func (g *generation) adopt(t *state.Tail) bool {
	for i, known := range t.Generations {
		if known.Generation == g.id {
			g.number, g.moved, g.base = i+1, known.Moved, known.Base
			g.Log = journal.Rebase(g.raw, journal.Head{Index: known.Base, Hash: known.BaseHash})
			return true
		}
	}
	g.number, g.moved, g.base = 0, 0, 0
	return t.Head.Index == 0 || t.Database == g.id
}

// current is the log in which the next record is, or the zero UUID before the first.
func current(t *state.Tail) record.UUID {
	if g, moved := t.Moved(); moved {
		return g.Generation
	}
	return t.Database
}

// left reports whether the database has moved away from a log.
func left(t *state.Tail, id record.UUID) bool {
	if len(t.Generations) == 0 || id == current(t) {
		return false
	}
	for _, g := range t.Generations {
		if g.Generation == id {
			return true
		}
	}
	return t.Database == id
}

// between reports whether the newest judged record has moved the log, and this
// partition is not there yet. Nothing can be appended until it is.
func (p *partition) between() bool { return len(p.ahead.Generations) > p.log().number }

// away reports whether the database has moved away from a log. From that of a directory
// it has not if the log goes on behind the record of the move: then it was restored there
// (L1), and what came after the move is in it, too. In no other log does anything follow
// that record.
func (p *partition) away(ctx context.Context, g *generation) (bool, error) {
	if g.shared || !left(p.tail, g.id) {
		return left(p.tail, g.id), nil
	}
	for _, err := range g.Read(ctx, p.tail.Generations[0].Moved+1) {
		if err != nil && !errors.Is(err, journal.ErrTrimmed) {
			return false, typed(err, "the log of partition %d", p.id)
		}
		return false, nil
	}
	return true, nil
}

// stand finds the log that the state goes on in, beginning with the one that was
// given, and applies what it has.
func (p *partition) stand(ctx context.Context) error {
	for {
		g := p.log()
		switch away, err := p.away(ctx, g); {
		case err != nil:
			return err
		case away && p.node.cfg.ReadOnly:
			p.beginRun(p.tail, nil).show()
			return nil
		case away:
			if err := p.pursue(ctx); err != nil {
				return err
			}
			continue
		}
		from, err := p.enter(ctx, g)
		if err != nil {
			return err
		}
		if err := p.replay(ctx, g, from); err != nil {
			return err
		}
		switch away, err := p.away(ctx, g); {
		case left(p.tail, g.id) && p.node.cfg.Restored:
			return nil // the next record says that it is here
		case err != nil:
			return err
		case away:
		case left(p.tail, g.id):
			return mainstem.Errorf(mainstem.Corrupt, "the log of partition %d goes on behind a record that moves it, and none says that it was restored (L2)", p.id)
		case p.tail.Head.Index > 0 && current(p.tail) != g.id:
			return mainstem.Errorf(mainstem.Corrupt, "partition %d belongs to database %s, not %s (L2)", p.id, p.tail.Database, g.id)
		default:
			g.adopt(p.tail)
			return nil
		}
	}
}

// pursue opens the log that the tail names, in place of one that was left.
func (p *partition) pursue(ctx context.Context) error {
	to, _ := p.tail.Moved()
	p.logger.Info("the log has moved, and the node follows it", "to", to.URL, "behind", to.Moved)
	next, err := p.node.reachGeneration(ctx, p, &to)
	if err != nil {
		return err
	}
	old := p.on.Swap(next)
	p.deposits.forget()
	p.node.take(next.id, p.id)
	return typed(old.Close(), "closing the log that partition %d has left", p.id)
}

// enter is the slot from which a log is read to go on behind the state. A log that
// the state does not know is only entered if it is live: if a record in it moves to it.
func (p *partition) enter(ctx context.Context, g *generation) (uint64, error) {
	if p.tail.Head.Index > 0 && g.adopt(p.tail) {
		return max(1, g.slot(p.tail.Head)), nil
	}
	first, slot, err := oldest(ctx, g)
	switch {
	case err != nil:
		return 0, typed(err, "the log of partition %d", p.id)
	case first == nil, p.tail.Head.Index == 0 && (slot > 1 || first.Database == g.id):
		return 1, nil // it is empty, or begins with the chain, or replay says that it does not
	case p.tail.Head.Index == 0 && first.Index > 1:
		return 0, p.behindLog()
	case p.tail.Head.Index > 0 && first.Database != p.tail.Database:
		return 0, mainstem.Errorf(mainstem.Corrupt, "partition %d belongs to database %s, and the log to database %s (L2)", p.id, p.tail.Database, first.Database)
	}
	// The base is not known for certain yet: until it is, whatever the state has is
	// looked for by its index.
	g.number, g.moved, g.base = math.MaxInt, math.MaxUint64-1, first.Index-1
	if err := p.live(ctx, g, slot); err != nil || slot > 1 {
		return slot, err
	}
	return g.from(max(first.Index, p.tail.Head.Index), 0), nil
}

// live is nil if a record of a log moves the database there.
func (p *partition) live(ctx context.Context, g *generation, from uint64) error {
	for entry, err := range g.Read(ctx, from) {
		if err != nil {
			return typed(err, "the log of partition %d", p.id)
		}
		h, err := record.Peek(entry.Record)
		if err != nil {
			return p.undecodable(entry.Slot, err)
		}
		if h.Moved != nil && h.Moved.Generation == g.id {
			return nil
		}
	}
	e := mainstem.Errorf(mainstem.Invalid, "the log of partition %d is a copy that no record moves to: a move there is under way, or was given up", p.id)
	e.Advice = "start the node with the log that the database is in; mainstem move --to goes on with what was begun"
	return e
}

// oldest is the header of the oldest record that a log has, with its slot; nil of an
// empty log. A log that was trimmed is asked a number of times that is logarithmic in
// its slots.
func oldest(ctx context.Context, log journal.Log) (*record.Header, uint64, error) {
	at := func(slot uint64) (h *record.Header, trimmed bool, err error) {
		for entry, err := range log.Read(ctx, slot) {
			if errors.Is(err, journal.ErrTrimmed) {
				return nil, true, nil
			}
			if err != nil {
				return nil, false, err
			}
			h, err := record.Peek(entry.Record)
			return h, false, err
		}
		return nil, false, nil
	}
	gone, kept := uint64(0), uint64(1)
	for {
		h, trimmed, err := at(kept)
		if err != nil || !trimmed && kept == 1 {
			return h, 1, err
		}
		if !trimmed {
			break
		}
		gone, kept = kept, 2*kept
	}
	for kept-gone > 1 {
		middle := gone + (kept-gone)/2
		_, trimmed, err := at(middle)
		if err != nil {
			return nil, 0, err
		}
		if trimmed {
			gone = middle
		} else {
			kept = middle
		}
	}
	h, _, err := at(kept)
	return h, kept, err
}
