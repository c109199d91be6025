package node

import (
	"context"
	"errors"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/breaklaw"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/internal/state"
	"github.com/mainstemdb/mainstem/journal"
)

// follow tells the loop of records that other nodes append, until the partition
// stops.
func (p *partition) followLog() {
	ctx, cancel := p.whileServing()
	defer cancel()
	for pause := time.Millisecond; ; {
		g := p.log()
		next := p.scanned.Load() + 1
		err := g.Wait(ctx, next)
		switch {
		case ctx.Err() != nil:
			return
		case p.log() != g:
			continue // its slots say nothing any more
		case err != nil:
			// The engine cannot be reached. Whoever asks is told so by his own
			// request; here it is only tried again.
			pause = min(2*pause, time.Second)
			if !sleep(ctx, pause) {
				return
			}
			continue
		}
		pause = time.Millisecond
		moved := p.node.listen()
		if p.scanned.Load() >= next {
			continue // it was our own
		}
		p.seen.Store(max(p.seen.Load(), next))
		p.poke()
		select {
		case <-moved:
		case <-time.After(time.Second): // a read that failed is tried again
		case <-ctx.Done():
			return
		}
	}
}

// poke makes the loop look at the log.
func (p *partition) poke() {
	select {
	case p.arrived <- struct{}{}:
	default:
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// behind reports whether the log has records that are not applied here.
func (p *partition) behind() bool { return p.seen.Load() > p.scanned.Load() }

// catchUp applies what others have appended. What was judged meanwhile stood on
// a tail that is none any more: it goes back to the queue, and next with it. An error is
// dealt with.
func (p *partition) catchUp(next *batch) error {
	if next != nil {
		p.requeue(next)
	}
	p.rewind()
	ctx, cancel := p.whileServing()
	defer cancel()
	before := p.scanned.Load()
	err := p.readOn(ctx)
	switch {
	case p.down() != nil:
	case err == nil:
		p.time.follow(p.tail)
	case errors.Is(err, record.ErrNewer), errors.Is(err, journal.ErrTrimmed) && p.joins():
		// What one partition is written in, all will be; what is gone is brought by opening anew.
		p.node.fail(err)
	case mainstem.CodeOf(err) == mainstem.Corrupt, mainstem.CodeOf(err) == mainstem.Invalid:
		p.logger.Error("partition stops", "err", err)
		p.stop(err)
	default:
		p.logger.Warn("the log could not be read; it is tried again", "err", err)
	}
	if p.scanned.Load() != before || err != nil {
		p.node.tellNews()
	}
	return err
}

// readOn applies the log from where this node is to its end.
func (p *partition) readOn(ctx context.Context) error {
	run := p.beginRun(p.tail, p.hints)
	g := p.log()
	for entry, err := range g.Read(ctx, p.scanned.Load()+1) {
		if errors.Is(err, journal.ErrTrimmed) {
			return p.tooFarBehind()
		}
		if err != nil {
			return errors.Join(typed(err, "the log of partition %d", p.id), run.land())
		}
		if err := run.add(entry); err != nil {
			return errors.Join(err, run.land())
		}
		if len(run.tail.Generations) > g.number {
			break // what follows is in another log
		}
	}
	return run.land()
}

// run is a stretch of records of others on their way into the state: many are
// applied as one batch of rows, up to a checkpoint, whose digest is that of the
// state just after it.
type run struct {
	p       *partition
	overlay *state.Overlay
	hints   *state.Hints
	tail    *state.Tail
	slot    uint64
	bytes   int
	fed     []fedRecord
}

type fedRecord struct {
	header record.Header
	head   journal.Head
	bytes  []byte
}

// runBatch is the index under which a run's writes lie in its overlay.
const runBatch = 1

func (p *partition) beginRun(tail *state.Tail, hints *state.Hints) *run {
	return &run{p: p, overlay: state.NewOverlay(p.store.Rows(), p.seed), hints: hints, tail: tail, slot: p.scanned.Load()}
}

// add takes the record of the next slot.
func (r *run) add(entry journal.Entry) error {
	p := r.p
	if entry.Slot != r.slot+1 && !breaklaw.On("L2") {
		return mainstem.Errorf(mainstem.Corrupt, "partition %d: slot %d follows slot %d in the log: what was between them is gone (L2)", p.id, entry.Slot, r.slot)
	}
	rec, head, err := p.successor(r.overlay, r.tail, entry)
	if err != nil {
		return err
	}
	r.slot = entry.Slot
	if rec == nil {
		p.counted.voids.Add(1)
		return nil
	}
	tail, err := state.Replay(&p.room, r.overlay, r.hints, r.tail, rec, head, func(w state.Write) { r.overlay.Put(w, runBatch) })
	if err != nil {
		return typed(err, "replaying record %d of partition %d", rec.Index, p.id)
	}
	r.tail = tail
	r.fed = append(r.fed, fedRecord{rec.Header, head, entry.Record})
	r.bytes += len(entry.Record)
	full := r.bytes >= limitBatchBytes || p.shared() && (rec.Checkpoint != nil || rec.Vote != nil || rec.Prepare != nil || rec.Member != nil && rec.Member.Gone)
	if full && !p.node.cfg.ReadOnly { // a read-only node keeps what it replays in memory
		return r.land()
	}
	return nil
}

// show makes what was added visible from memory, of a node that is read-only.
func (r *run) show() {
	for i := range r.fed {
		r.p.ring.add(&r.fed[i].header, r.fed[i].bytes, r.fed[i].head)
	}
	r.p.tail = r.tail
	r.overlay.Settle()
	r.p.publish(&frozen{rows: r.overlay, tail: r.tail, close: func() {}})
}

// land makes what was added visible.
func (r *run) land() error {
	p := r.p
	if len(r.fed) > 0 {
		if err := p.change(r.overlay.Writes(runBatch), r.tail); err != nil {
			p.storeFailed(err)
			return err
		}
		r.overlay.Drop(runBatch)
		p.tail, p.ahead = r.tail, r.tail
		for i := range r.fed {
			p.ring.add(&r.fed[i].header, r.fed[i].bytes, r.fed[i].head)
		}
		if p.shared() {
			p.sweeper.grow(r.bytes)
			p.settle(&r.fed[len(r.fed)-1].header)
		}
	}
	r.fed, r.bytes = r.fed[:0], 0
	p.scanned.Store(r.slot)
	return nil
}

// successor judges what stands in a slot after the tail: the record that
// continues the chain; none, if it names an ancestor and is void; or an error (L2).
func (p *partition) successor(rows state.Rows, tail *state.Tail, entry journal.Entry) (*record.Record, journal.Head, error) {
	r, err := record.Decode(entry.Record)
	if err != nil {
		return nil, journal.Head{}, p.undecodable(entry.Slot, err)
	}
	head := journal.Head{Index: r.Index, Hash: journal.Sum(entry.Record), Slot: entry.Slot}
	if r.Index == tail.Head.Index+1 && r.PrevHash == tail.Head.Hash || !p.shared() {
		return r, head, nil
	}
	ancestor, err := p.ancestor(rows, tail, r)
	if err != nil {
		return nil, head, typed(err, "record in slot %d of partition %d", entry.Slot, p.id)
	}
	if !ancestor {
		return nil, head, mainstem.Errorf(mainstem.Corrupt, "slot %d of partition %d holds record %d after record %d with hash %s; the chain ends in record %d with hash %s, and knows no such ancestor (L2)",
			entry.Slot, p.id, r.Index, r.Index-1, r.PrevHash, tail.Head.Index, tail.Head.Hash)
	}
	return nil, head, nil
}

// ancestor reports whether a record names a predecessor that the chain has, and
// that has another successor.
func (p *partition) ancestor(rows state.Rows, tail *state.Tail, r *record.Record) (bool, error) {
	switch {
	case r.Database != tail.Database && r.Index > 1, r.Index > tail.Head.Index, r.Generation != tail.GenerationAt(r.Index) && r.Index > 1:
		return false, nil
	case r.Index == 1:
		return r.PrevHash == journal.Hash{} && r.Database == tail.Database, nil
	}
	place, ok, err := state.PlaceAt(rows, tail.Last, r.Index-1)
	return ok && place.Head.Hash == r.PrevHash, err
}

// tooFarBehind says of a node that the log no longer reaches back to it.
func (p *partition) tooFarBehind() error {
	const what = "partition %d of this node ends in record %d, and the log begins after that: it was away for longer than records are kept: %w"
	if p.joins() {
		e := mainstem.Errorf(mainstem.Unavailable, what, p.id, p.tail.Head.Index, journal.ErrTrimmed)
		e.Advice = "open it again: it begins anew from a snapshot by itself"
		return e
	}
	e := mainstem.Errorf(mainstem.Corrupt, what, p.id, p.tail.Head.Index, journal.ErrTrimmed)
	e.Advice = "let it begin anew from a snapshot: move " + p.stateDir() + " aside and start it again"
	return e
}
