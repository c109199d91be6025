package node

import (
	"errors"
	"fmt"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/state"
	"github.com/mainstemdb/mainstem/journal"
)

// lostShared deals with an append or a proof on a shared log that did not end
// well. What was judged on top of it was never sent.
func (p *partition) lostShared(flight *batch, err error) {
	next := p.judged
	switch {
	case errors.Is(err, journal.ErrLost):
		// Another node wrote first. What we sent is not in the log and never will
		// be: it is judged again, on what the other has written.
		if p.judged = nil; next != nil {
			p.requeue(next)
		}
		p.requeue(flight)
		p.seen.Store(max(p.seen.Load(), p.scanned.Load()+1))
		before := p.scanned.Load()
		if p.catchUp(nil) == nil && p.scanned.Load() == before {
			p.lostToNobody(err)
		}
		return
	case errors.Is(err, journal.ErrUnknown), flight.unknown:
		// Only a successor of its predecessor tells. The same bytes after the same
		// predecessor are either that successor, or lost; a second copy is void (L11).
		p.logger.Warn("whether a record is in the log is not known; it is sent again", "index", flight.header.Index, "err", err)
		p.flight, flight.unknown = flight, true
		p.again(flight)
		return
	case errors.Is(err, journal.ErrCorrupt):
		p.logger.Error("partition stops", "err", err)
		p.stop(mainstem.Errorf(mainstem.Corrupt, "partition %d: %w (L12)", p.id, err))
	}
	code := mainstem.Errorf(mainstem.Unavailable, "partition %d: %w", p.id, err)
	for _, b := range []*batch{flight, next} {
		if b != nil {
			b.refuse(code)
			b.unspeak()
		}
	}
	p.judged = nil
	p.rewind()
}

// vain counts appends and proofs that were lost to a record that is not there.
type vain struct {
	since time.Time
	times int
}

// lostToNobody: the log says that our tail is not its own, and shows nothing behind
// it. A reader can be late for a moment. A log that goes on so was put back to an
// older backup, or cut off: it lacks what was acknowledged, and nobody may go on
// with less (L1, L12).
func (p *partition) lostToNobody(err error) {
	if p.vain.times++; p.vain.times == 1 {
		p.vain.since = time.Now()
	}
	if p.vain.times <= LimitRaces || time.Since(p.vain.since) < p.node.cfg.Shared.patience() {
		return
	}
	gone := mainstem.Errorf(mainstem.Corrupt, "partition %d ends in record %d with hash %s, and the log has neither that record as its last nor one behind it: it lacks what was acknowledged (L12): %w",
		p.id, p.tail.Head.Index, p.tail.Head.Hash, err)
	gone.Advice = "an older backup was put back, or another log: bring back the log that this node had, or stop all nodes and restore the database from a backup, as a new incarnation"
	p.logger.Error("partition stops", "err", gone)
	// The state is a witness of what the log lacks: after a start it must not be
	// forgotten, or this node would go on with less.
	if err := p.store.Flush(); err != nil {
		p.logger.Error("the state could not be kept", "err", err)
	}
	p.stop(gone)
}

// betweenIsVoid checks the slots between what is applied and a record that was just
// appended: had one of them followed the same predecessor, ours would be void.
func (p *partition) betweenIsVoid(slot uint64) error {
	if p.scanned.Load()+1 >= slot {
		return nil
	}
	ctx, cancel := p.whileServing()
	defer cancel()
	rows := p.store.Rows()
	for entry, err := range p.log().Read(ctx, p.scanned.Load()+1) {
		if err != nil {
			return fmt.Errorf("%w: what stands before slot %d cannot be read: %w", journal.ErrUnknown, slot, err)
		}
		if entry.Slot >= slot {
			return nil
		}
		r, _, err := p.successor(rows, p.tail, entry)
		switch {
		case err != nil:
			return fmt.Errorf("%w: %w", journal.ErrCorrupt, err)
		case r != nil:
			return fmt.Errorf("%w: slot %d has the record that follows", journal.ErrLost, entry.Slot)
		}
		p.counted.voids.Add(1)
		p.scanned.Store(entry.Slot)
	}
	return fmt.Errorf("%w: slot %d is not in the log", journal.ErrUnknown, slot)
}

// again sends a record once more, after a pause.
func (p *partition) again(b *batch) {
	p.flights.Go(func() {
		ctx, cancel := p.whileServing()
		defer cancel()
		if !sleep(ctx, p.node.cfg.Shared.pause()/4) {
			p.landed(landing{err: journal.ErrUnknown})
			return
		}
		p.append(b)()
	})
}

// requeue has everything that a batch answers judged again. A transaction that
// has lost too many races is told so.
func (p *partition) requeue(b *batch) {
	var again []*waiter
	for _, a := range b.answers {
		if a.w.races++; a.w.races > LimitRaces {
			a.w.tell(answer{err: mainstem.Errorf(mainstem.Overloaded, "%s: other nodes wrote first, %d times (L10)", a.w, a.w.races)})
			continue
		}
		again = append(again, a.w)
	}
	b.answers = b.answers[:0]
	b.unspeak()
	p.queue.putBack(again)
}

// rewind forgets everything speculative.
func (p *partition) rewind() {
	p.overlay = state.NewOverlay(p.store.Rows(), p.seed)
	p.ahead = p.tail
	p.hints.Forget()
	p.sweeper.lost()
}
