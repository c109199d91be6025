package node

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/breaklaw"
	"github.com/mainstemdb/mainstem/journal"
)

// landing is how an append ended.
type landing struct {
	head journal.Head
	err  error
}

// launch lets the batch that was judged take off, unless another is in flight.
func (p *partition) launch() (fly func()) {
	b := p.judged
	if b == nil || p.flight != nil {
		return nil
	}
	if !b.worthRecord() {
		p.judged = nil
		return p.launchProof(b)
	}
	if wait := p.pace.left(); wait > 0 && b.header.Moved == nil {
		time.AfterFunc(wait, p.queue.poke)
		return nil
	}
	p.judged = nil
	p.pace.launched = time.Now()
	if err := b.encode(); err != nil {
		b.refuse(mainstem.Errorf(mainstem.Corrupt, "partition %d could not encode a record: %w", p.id, err))
		p.stop(err)
		return nil
	}
	p.flight, p.ahead = b, b.step.Tail
	p.time.leap.Store(0)
	if breaklaw.On("L4") {
		p.apply(b)
	}
	b.tookOff = time.Now()
	p.counted.takeOff(b)
	return p.append(b)
}

// append is the flight of a batch: its record is written, and what has come of it
// dealt with. On a shared log an append can hang for as long as the engine does: it
// is left when the partition stops.
func (p *partition) append(b *batch) (fly func()) {
	after, bytes, log := b.after, b.bytes, p.log()
	ctx, cancel := context.Background(), func() {}
	if p.shared() {
		ctx, cancel = p.whileServing()
	}
	p.flights.Add(1)
	return func() {
		defer p.flights.Done()
		defer cancel()
		head, err := log.Append(ctx, after, bytes)
		p.counted.land(err)
		p.landed(landing{head: head, err: err})
	}
}

// launchProof asks the log whether the tail that answers were judged on still is
// the tail.
func (p *partition) launchProof(b *batch) (fly func()) {
	b.abandon() // before another batch begins at the same index
	p.flight, b.tookOff = b, time.Now()
	head, log := p.ahead.Head, p.log()
	ctx, cancel := p.whileServing()
	p.flights.Add(1)
	return func() {
		defer p.flights.Done()
		defer cancel()
		p.landed(landing{err: log.Confirm(ctx, head)})
	}
}

// beside lets a record fly, if there is one, while others go on.
func beside(fly func()) {
	if fly != nil {
		go fly()
	}
}

// landed deals with what an append has come to.
func (p *partition) landed(l landing) {
	p.turn.Lock()
	defer p.turn.Unlock()
	if p.wound {
		p.landLast(l)
		return
	}
	p.land(l)
	p.timer.Reset(p.untilExpiry())
	beside(p.round())
}

// land applies a record, and lets the next batch take off before.
func (p *partition) land(l landing) {
	landed := p.flight
	p.flight = nil
	if l.err == nil && landed.bytes != nil && p.shared() {
		l.err = p.betweenIsVoid(l.head.Slot)
	}
	switch {
	case l.err != nil && p.shared():
		p.lostShared(landed, l.err)
		return
	case l.err != nil:
		p.lost(landed, l.err)
		return
	case landed.bytes == nil:
		p.vain = vain{}
		p.prove(landed.tookOff)
		beside(p.launch())
		landed.answerAll(nil)
		landed.recycle()
		return
	}
	p.full, p.vain = false, vain{}
	landed.head, landed.step.Tail.Head = l.head, l.head
	p.scanned.Store(l.head.Slot)
	if !p.behind() {
		beside(p.launch())
	}
	p.apply(landed)
	p.prove(landed.tookOff)
}

// apply makes a durable batch visible, answers, and tells followers (L4).
func (p *partition) apply(b *batch) {
	if b.applied {
		return
	}
	b.applied = true
	if err := p.change(b.writes(), b.step.Tail); err != nil {
		// The record is durable; only this process cannot go on with it.
		b.answerAll(mainstem.Errorf(mainstem.Undecided, "partition %d could not apply a durable record: %w", p.id, err))
		p.storeFailed(err)
		return
	}
	p.tail, p.gaveTo = b.step.Tail, cmp.Or(b.header.Successor, p.gaveTo)
	p.overlay.Drop(b.header.Index)
	p.ring.add(&b.header, b.bytes, b.head)
	p.settle(&b.header)
	p.sweeper.grow(len(b.bytes))
	b.noticed()
	b.answerAll(nil)
	b.recycle()
	p.node.tellNews()
}

// lost deals with an append that did not end well. What was judged on top of
// it was never sent, and is definitely not there.
func (p *partition) lost(flight *batch, err error) {
	next := p.judged
	p.judged = nil
	if next != nil {
		next.refuse(mainstem.Errorf(mainstem.Unavailable, "partition %d: the record before failed: %w", p.id, err))
		next.unspeak()
	}
	if errors.Is(err, journal.ErrFailed) && p.log().Confirm(context.Background(), p.tail.Head) == nil {
		// Nothing was written, and the log is sound: a full disk, for example.
		flight.refuse(mainstem.Errorf(mainstem.Unavailable, "partition %d: %w", p.id, err))
		flight.unspeak()
		p.time.leap.Store(flight.header.Leap)
		p.full = true
		p.rewind()
		return
	}
	code := mainstem.Undecided
	if errors.Is(err, journal.ErrFailed) || errors.Is(err, journal.ErrLost) {
		code = mainstem.Unavailable
	}
	flight.fail(code, err)
	p.logFailed(err)
}

// logFailed stops what can no longer be trusted: the partition if its log is
// damaged or has a second writer, the database if its disk fails.
func (p *partition) logFailed(err error) {
	if errors.Is(err, journal.ErrCorrupt) || errors.Is(err, journal.ErrLost) {
		err = mainstem.Errorf(mainstem.Corrupt, "partition %d is damaged or has a second writer: %w (L2, L12)", p.id, err)
		p.logger.Error("partition stops", "err", err)
		p.stop(err)
		return
	}
	p.node.fail(mainstem.Errorf(mainstem.Unavailable, "partition %d: %w", p.id, err))
}

// landLast deals with what the last append has come to.
func (p *partition) landLast(l landing) {
	switch {
	case l.err != nil && p.shared() && !errors.Is(l.err, journal.ErrUnknown):
		p.flight.fail(mainstem.Unavailable, l.err)
	case l.err != nil:
		p.flight.fail(mainstem.Undecided, l.err)
	case p.flight.bytes == nil:
		p.flight.answerAll(nil)
	default:
		p.flight.head, p.flight.step.Tail.Head = l.head, l.head
		p.apply(p.flight)
	}
}
