package node

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/breaklaw"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/internal/state"
	"github.com/mainstemdb/mainstem/journal"
)

// landing is how an append ended.
type landing struct {
	head journal.Head
	err  error
}

// run is the writer loop: while one record flies to the disk, the next is
// judged on top of it; when it lands, the next takes off, and then the landed
// one is applied and answered. At most one append is in flight.
func (p *partition) run() {
	defer close(p.stopped)
	var next *batch
	timer := time.NewTimer(p.untilExpiry())
	defer timer.Stop()
	for {
		select {
		case <-p.stopping:
			p.wind(next)
			return
		case <-p.queue.wake:
		case <-p.arrived:
		case l := <-p.landed:
			next = p.land(l, next)
			timer.Reset(p.untilExpiry())
		case <-timer.C:
			p.full = false
			timer.Reset(p.untilExpiry())
		}
		if p.down() != nil {
			continue
		}
		if p.flight == nil && p.behind() {
			_ = p.catchUp(next)
			next = nil
		}
		if p.flight == nil && p.between() {
			p.cross()
		}
		next = p.gather(next)
		if p.flight == nil {
			next = p.launch(next)
		}
	}
}

// land deals with what an append has come to, and lets the next batch take off.
func (p *partition) land(l landing, next *batch) *batch {
	landed := p.flight
	p.flight = nil
	if l.err == nil && landed.bytes != nil && p.shared() {
		l.err = p.betweenIsVoid(l.head.Slot)
	}
	switch {
	case l.err != nil && p.shared():
		return p.lostShared(landed, next, l.err)
	case l.err != nil:
		p.lost(landed, next, l.err)
		return nil
	case landed.bytes == nil:
		p.vain = vain{}
		p.prove(landed.tookOff)
		next = p.launch(next)
		landed.answerAll(nil)
		landed.recycle()
		return next
	}
	p.full, p.vain = false, vain{}
	landed.head, landed.step.Tail.Head = l.head, l.head
	p.scanned.Store(l.head.Slot)
	if !p.behind() {
		next = p.launch(next)
	}
	p.apply(landed)
	p.prove(landed.tookOff)
	return next
}

// limits of one record.
const (
	limitBatch      = 1 << 14
	limitBatchBytes = 4 << 20
	expirePerBatch  = 256
)

// gather judges what waits, on top of everything judged before. It returns nil
// when nothing came of it that needs a record.
func (p *partition) gather(b *batch) *batch {
	if p.between() || b != nil && b.notice != nil {
		return b
	}
	if b == nil {
		b = p.announce()
		if b != nil {
			return b
		}
		b = &batch{p: p}
	}
	var err error
	for first := true; err == nil; first = false {
		taken := p.take(b)
		if len(taken) == 0 && !first {
			break
		}
		// The clock is asked after taking: what was sent is judged no earlier.
		b.now()
		if first && !p.full && p.leads() {
			err = b.expire()
		}
		if len(taken) == 0 && len(b.decided) == 0 {
			break // what comes later has a header of its own, with its time
		}
		for i, w := range taken {
			if err == nil {
				err = b.judge(w)
			}
			if err != nil {
				for _, rest := range taken[i:] {
					rest.tell(answer{err: typed(err, "partition %d", p.id)})
				}
				break
			}
		}
		clear(taken)
	}
	b.checkpoint = b.checkpoint || p.leads() && p.sweeper.due()
	if p.shared() {
		b.speak()
	}
	if err != nil {
		// Reading the state failed: what was judged on it must not be told.
		b.refuse(mainstem.Errorf(mainstem.Unavailable, "partition %d could not read its state: %w", p.id, err))
		p.storeFailed(err)
		return nil
	}
	if b.worthRecord() || len(b.answers) > 0 {
		return b
	}
	b.abandon()
	b.recycle()
	p.clear(b.outlived)
	return nil
}

// ripe is from how many waiting transactions on the loop looks at them. While a
// record flies nobody is answered earlier for being judged at once: a few times
// per record is enough to have the next one ready when this one lands.
func (p *partition) ripe() int {
	if p.flight == nil {
		return 1
	}
	return max(1, len(p.flight.answers)/4)
}

// clear deletes expiries that their keys have outlived where no record does it
// on the way: they say nothing, but would come first again and again. While a
// record flies it can wait.
func (p *partition) clear(outlived []state.Write) {
	if len(outlived) == 0 {
		return
	}
	if p.flight != nil {
		p.hints.Forget()
		return
	}
	if err := p.change(outlived, nil); err != nil {
		p.storeFailed(err)
	}
}

// launch appends a judged batch, unless another is in flight.
func (p *partition) launch(b *batch) *batch {
	if b == nil || p.flight != nil {
		return b
	}
	if !b.worthRecord() {
		p.launchProof(b)
		return nil
	}
	if wait := p.pace.left(); wait > 0 && b.header.Moved == nil {
		time.AfterFunc(wait, p.queue.poke)
		return b
	}
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
	p.append(b)
	return nil
}

// append writes the record of a batch, beside the loop. On a shared log an append
// can hang for as long as the engine does: it is left when the partition stops.
func (p *partition) append(b *batch) {
	after, bytes, log := b.after, b.bytes, p.log()
	ctx, cancel := context.Background(), func() {}
	if p.shared() {
		ctx, cancel = p.whileServing()
	}
	go func() {
		defer cancel()
		head, err := log.Append(ctx, after, bytes)
		p.counted.land(err)
		p.landed <- landing{head: head, err: err}
	}()
}

// launchProof asks the log whether the tail that answers were judged on still is
// the tail.
func (p *partition) launchProof(b *batch) {
	b.abandon() // before another batch begins at the same index
	p.flight, b.tookOff = b, time.Now()
	head, log := p.ahead.Head, p.log()
	ctx, cancel := p.whileServing()
	go func() {
		defer cancel()
		p.landed <- landing{err: log.Confirm(ctx, head)}
	}()
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
func (p *partition) lost(flight, next *batch, err error) {
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

// wind ends the loop: what flies may still land; nothing new takes off.
func (p *partition) wind(next *batch) {
	p.queue.close(p.reason)
	if next != nil {
		why := p.reason
		if mainstem.CodeOf(why) != mainstem.Stopped || p.node.Err() != nil {
			// The record that it was judged on may never have been durable (L4).
			why = mainstem.Errorf(mainstem.Unavailable, "partition %d stops: %w", p.id, why)
		}
		next.refuse(why)
	}
	if p.flight == nil {
		return
	}
	l := <-p.landed
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

// storeFailed stops what can no longer be trusted: the partition if its state
// is damaged, the database if its disk fails.
func (p *partition) storeFailed(err error) {
	err = p.stateError(err)
	if mainstem.CodeOf(err) == mainstem.Corrupt {
		p.logger.Error("partition stops", "err", err)
		p.stop(err)
		return
	}
	p.node.fail(err)
}

// untilExpiry is how long until the loop should look at the clock again.
func (p *partition) untilExpiry() time.Duration {
	const idle = time.Second
	if p.full {
		return idle
	}
	return max(time.Millisecond, min(idle, p.hints.NextExpiry().Sub(p.age(p.tail))))
}

// database is whose records these are: of a log that was moved to, not its own.
func (p *partition) database(tail *state.Tail) record.UUID {
	if tail.Head.Index > 0 {
		return tail.Database
	}
	return p.node.cfg.Database
}

// header begins the record after a tail.
func (p *partition) header(after *state.Tail) record.Header {
	h := p.undated(after)
	p.time.stamp(&h, after)
	return h
}

func (p *partition) undated(after *state.Tail) record.Header {
	return record.Header{
		Version: max(record.First, after.Version), Index: after.Head.Index + 1, Database: p.database(after), Generation: after.Generation,
		Incarnation: after.Incarnation, Partition: uint32(p.id), Node: p.node.cfg.Name, First: after.Last + 1,
	}
}
