package node

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/breaklaw"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/internal/state"
	"github.com/mainstemdb/mainstem/journal"
)

// restoreGap is how many positions a restore skips (L1).
const restoreGap = 1 << 40

// open recovers the partition: the state says how far it has come, the log
// has the rest.
func (p *partition) open(ctx context.Context) error {
	if err := p.openStore(ctx); err != nil {
		return err
	}
	if err := p.loadTail(); err != nil {
		return err
	}
	if cfg := &p.node.cfg; p.tail.Head.Index == 0 && cfg.Home != (record.UUID{}) && cfg.Home != cfg.Database {
		e := mainstem.Errorf(mainstem.Corrupt, "the directory of partition %d belongs to database %s, the log to %s, and there is no state that has moved there (L2)", p.id, cfg.Home, cfg.Database)
		e.Advice = "give the node the log of its database, or an empty directory"
		return e
	}
	if err := p.catchUpFirst(ctx); err != nil {
		return err
	}
	if n := p.tail.Genesis.Partitions; p.tail.Head.Index > 0 && int(n) != p.node.cfg.Partitions {
		return mainstem.Errorf(mainstem.Corrupt, "partition %d is one of %d, not of %d", p.id, n, p.node.cfg.Partitions)
	}
	p.time = newChronometer(p.node.cfg.Clock, p.tail)
	p.hints = state.NewHints(p.node.cfg.share(10), p.tail.Last)
	p.rewind()
	p.watch()
	if p.node.cfg.ReadOnly {
		return nil
	}
	return p.inaugurate(ctx)
}

// replay applies what a log has and the state has not, from a slot on that is at or
// below that of the record that the state ends in. It first checks that this very
// record is there.
func (p *partition) replay(ctx context.Context, g *generation, from uint64) error {
	p.scanned.Store(from - 1)
	met := p.tail.Head.Index == 0
	run := p.beginRun(p.tail, nil)
	for entry, err := range g.Read(ctx, from) {
		if errors.Is(err, journal.ErrTrimmed) {
			return p.behindLog()
		}
		if err != nil {
			return typed(err, "the log of partition %d", p.id)
		}
		if !met {
			next, err := p.meet(g, run, entry)
			if err != nil {
				return err
			}
			if met = next != nil; !met || next.Index == p.tail.Head.Index {
				run.slot = entry.Slot
				continue
			}
		}
		if err := run.add(entry); err != nil {
			return err
		}
		if g.shared && len(run.tail.Generations) > g.number {
			break // what follows is in another log
		}
	}
	if !met {
		return mainstem.Errorf(mainstem.Corrupt, "the state of partition %d is ahead of its log: it ends in record %d, which the log does not have", p.id, p.tail.Head.Index)
	}
	if p.node.cfg.ReadOnly {
		run.show()
		return nil
	}
	if err := run.land(); err != nil {
		return err
	}
	p.freeze(p.tail)
	return nil
}

// meet looks for the record that the state ends in, or the one that follows it where
// a log begins with that: nil if neither is in this slot. In a log that the state has
// its slots from, it is in the very first that is read.
func (p *partition) meet(g *generation, run *run, entry journal.Entry) (*record.Header, error) {
	r, err := record.Decode(entry.Record)
	if err != nil {
		return nil, p.undecodable(entry.Slot, err)
	}
	t := p.tail
	head := journal.Head{Index: r.Index, Hash: journal.Sum(entry.Record), Slot: entry.Slot}
	switch exact := t.Head.Index > g.moved; {
	case head.Index == t.Head.Index && head.Hash == t.Head.Hash && (!exact || head == t.Head):
		here := *t
		here.Head = head
		p.tail, run.tail = &here, &here
		return &r.Header, nil
	case !exact && r.Index == t.Head.Index+1 && r.PrevHash == t.Head.Hash:
		run.slot = entry.Slot - 1
		return &r.Header, nil
	case !exact && r.Index <= t.Head.Index:
		return nil, nil
	}
	return nil, mainstem.Errorf(mainstem.Corrupt, "the state of partition %d ends in record %d with hash %s; the log has record %d with hash %s there (L2)",
		p.id, t.Head.Index, t.Head.Hash, head.Index, head.Hash)
}

// behindLog says of a state that its log no longer reaches back to it.
func (p *partition) behindLog() error {
	if p.tail.Head.Index == 0 {
		return mainstem.Errorf(mainstem.Corrupt, "partition %d has no state and no snapshot, and its log no longer begins with the first record: restore it from a backup: %w", p.id, journal.ErrTrimmed)
	}
	e := mainstem.Errorf(mainstem.Corrupt, "the state of partition %d ends in record %d, and its log begins after that: an old state was put back: %w", p.id, p.tail.Head.Index, journal.ErrTrimmed)
	e.Advice = "move " + p.stateDir() + " aside and open again: it is rebuilt from the newest snapshot and the log"
	return e
}

// undecodable says of a stored record that does not decode whether it is
// damaged, or sound and of a newer format.
func (p *partition) undecodable(slot uint64, err error) error {
	if errors.Is(err, record.ErrNewer) {
		newer := mainstem.Errorf(mainstem.Invalid, "record in slot %d of partition %d: %w", slot, p.id, err)
		newer.Advice = "a newer version of the log is in force: use the newer Mainstem that wrote it; nothing was changed"
		return newer
	}
	return mainstem.Errorf(mainstem.Corrupt, "record in slot %d of partition %d: %w", slot, p.id, err)
}

// inaugurate writes the record that a new database, new settings or a restore
// begin with, before anything is served. Another node can be first; then what it
// has written may be all that was needed.
func (p *partition) inaugurate(ctx context.Context) error {
	for {
		err := p.begin(ctx)
		if !p.shared() || !errors.Is(err, journal.ErrLost) && !errors.Is(err, journal.ErrUnknown) {
			return err
		}
		if err := p.readOn(ctx); err != nil {
			return err
		}
		p.rewind()
		for p.between() {
			to, _ := p.tail.Moved()
			if err := p.crossOnce(ctx, &to); err != nil {
				return err
			}
		}
	}
}

func (p *partition) begin(ctx context.Context) error {
	b := &batch{p: p, header: p.header(p.ahead)}
	h, cfg := &b.header, &p.node.cfg
	settings := cfg.settings(p.tail)
	if h.Index == 1 {
		g := cfg.genesis()
		h.Genesis, h.Incarnation, h.First = &g, cfg.Incarnation, 1
		rand.Read(h.Generation[:])
	}
	if cfg.Restored {
		h.Restored, h.Incarnation, h.First = true, cfg.Incarnation, p.tail.Last+1+restoreGap
		if breaklaw.On("L1") {
			h.Restored, h.Incarnation, h.First = false, p.tail.Incarnation, p.tail.Last+1
		}
	}
	if old := p.tail.Settings; old.IDAge != settings.IDAge || old.Retain != settings.Retain || !slices.Equal(old.History, settings.History) {
		h.Settings = &settings
	}
	if p.shared() {
		old, _ := p.tail.Member(cfg.Name)
		if mine := cfg.Shared.member(old.Flushed); *mine != old.Member {
			h.Member = mine
		}
		p.council.announced = old.Flushed
	}
	activates, err := p.activates(h)
	if err != nil {
		return err
	}
	if !b.worthRecord() && !activates && (h.Leap == 0 || p.shared()) {
		return nil
	}
	b.step = state.Begin(&p.room, p.overlay, p.hints, p.ahead, h, b.write)
	if err := b.encode(); err != nil {
		return err
	}
	head, err := p.log().Append(ctx, b.after, b.bytes)
	if err != nil {
		return typed(err, "the first record of partition %d after opening", p.id)
	}
	b.head, b.step.Tail.Head, p.ahead = head, head, b.step.Tail
	p.time.leap.Store(0)
	p.scanned.Store(head.Slot)
	p.apply(b)
	return p.down()
}

// watch stops the node when an engine or a store finds by itself that it is
// finished.
func (p *partition) watch() {
	if p.Broken != nil {
		go func() {
			select {
			case <-p.Broken:
				if err := p.Why(); err != nil && p.down() == nil {
					p.logFailed(err)
				}
			case <-p.stopping:
			}
		}()
	}
	s := p.store
	go func() {
		select {
		case <-s.Done():
			if err := s.Err(); err != nil && p.down() == nil {
				p.storeFailed(err)
			}
		case <-p.stopping:
		}
	}()
}
