package node

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/backup"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/internal/state"
	"github.com/mainstemdb/mainstem/journal"
)

// archiveEvery is how often what is new is put into the archive, at most: what can be
// missing from it when everything else is lost.
const archiveEvery = time.Second

// archive is a partition's copy of its records outside.
type archive struct {
	// kept is the index of the last record that is in the store, and age its log age; 0
	// while this node does not archive.
	kept atomic.Uint64
	age  atomic.Uint64
	// broken is set when the archive can never go on.
	broken atomic.Bool
	ended  chan struct{}
}

func (a *archive) init() { a.ended = make(chan struct{}) }

// archiving copies what is applied into the archive, as long as this node writes the
// partition, until the partition stops.
func (p *partition) archiving() {
	defer close(p.archive.ended)
	if p.node.cfg.Archive == nil {
		return
	}
	ctx, cancel := p.whileServing()
	defer cancel()
	var a *backup.Archive
	for {
		news := p.node.listen()
		var err error
		if p.writes() {
			a, err = p.archiveOn(ctx, a)
		} else {
			a = nil // whoever writes now goes on with it
			p.archive.kept.Store(0)
		}
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, backup.ErrGap), errors.Is(err, journal.ErrTrimmed):
			p.archive.broken.Store(true)
			p.logger.Error("the archive has a gap and ends: name another store for a new one, and keep this one for what it has", "err", err)
			return
		case err != nil:
			a = nil
			p.logger.Warn("the archive could not be written; it is tried again", "err", err)
		}
		if !sleep(ctx, archiveEvery) {
			return
		}
		if err != nil {
			continue
		}
		select {
		case <-news:
		case <-ctx.Done():
			return
		}
	}
}

// archiveOn adds what is applied and not in the archive yet.
func (p *partition) archiveOn(ctx context.Context, a *backup.Archive) (*backup.Archive, error) {
	tail, store, g := p.applied(), p.node.cfg.Archive, p.log()
	if a == nil {
		var bad []error
		var err error
		if a, bad, err = backup.OpenArchive(ctx, store, tail.Database, tail.Partition, tail.Incarnation); err != nil {
			return nil, err
		}
		p.told(bad)
	}
	from := g.from(a.Head().Index+1, a.Head().Slot+1)
	if a.Head().Index == 0 {
		var err error
		if from, err = p.archiveFrom(ctx); err != nil {
			return nil, err
		}
		tail = p.applied() // it can begin with a record that was not there before
	}
	for entry, err := range g.Read(ctx, from) {
		if err != nil {
			return a, err
		}
		h, err := record.Peek(entry.Record)
		if err != nil {
			return a, p.undecodable(entry.Slot, err)
		}
		if h.Index > tail.Head.Index {
			break // not applied here yet
		}
		if err := a.Add(ctx, entry); err != nil {
			return a, err
		}
	}
	if err := a.Flush(ctx); err != nil {
		return a, err
	}
	p.archive.kept.Store(a.Kept().Index)
	p.archive.age.Store(uint64(tail.Age))
	return a, nil
}

// archiveFrom is the slot that a new archive begins with: the first of the log, or, where
// that was trimmed, the record that the oldest snapshot in the store ends in, so that the
// two belong together.
func (p *partition) archiveFrom(ctx context.Context) (uint64, error) {
	for _, err := range p.log().Read(ctx, 1) {
		if !errors.Is(err, journal.ErrTrimmed) {
			return 1, err
		}
		break
	}
	rows, release, tail, err := p.reading()
	if err != nil {
		return 0, err
	}
	defer release()
	if p.blobs() != nil {
		all, err := p.stored(ctx)
		if err != nil {
			return 0, err
		}
		for i := len(all) - 1; i >= 0; i-- {
			place, ok, err := state.PlaceAt(rows, tail.Last, all[i].Index)
			if err != nil {
				return 0, err
			}
			if !ok {
				continue
			}
			if _, err := p.recordOf(ctx, place.Head); err == nil {
				return max(1, p.log().slot(place.Head)), nil
			}
		}
	}
	return max(1, p.log().slot(tail.Head)), nil
}

// unarchived is how much newer the state is than the archive, and 0 only if that has all
// of it; -1 where this node does not archive.
func (p *partition) unarchived(tail *state.Tail) time.Duration {
	if p.node.cfg.Archive == nil || !p.shared() && tail.Head.Index == 0 || p.shared() && tail.Writer != p.node.cfg.Name {
		return -1
	}
	if p.archive.kept.Load() >= tail.Head.Index {
		return 0
	}
	return max(1, tail.Age.Sub(mainstem.LogAge(p.archive.age.Load())))
}

// heldByArchive is the index up to which the archive needs the log no more. It holds the
// log back as a node that is away does, and no further.
func (p *partition) heldByArchive(rows state.Rows, tail *state.Tail, covered uint64, now mainstem.LogAge) (uint64, error) {
	kept := p.archive.kept.Load()
	if p.node.cfg.Archive == nil || p.archive.broken.Load() || kept >= covered {
		return covered, nil
	}
	return p.heldBy(rows, tail, kept, covered, now)
}

// heldBy is covered, or the index behind which somebody still needs the log who is no more
// than the limits behind.
func (p *partition) heldBy(rows state.Rows, tail *state.Tail, needs, covered uint64, now mainstem.LogAge) (uint64, error) {
	place, ok, err := state.PlaceAt(rows, tail.Last, max(1, needs))
	if err != nil {
		return 0, err
	}
	if ok && holds(covered-needs, now.Sub(place.Age), time.Duration(tail.Settings.Retain)) {
		return needs, nil
	}
	return covered, nil
}
