package node

import (
	"context"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/internal/state"
)

// run is the writer loop: while one record flies to the disk, the next is
// judged on top of it; when it lands, the next takes off, and then the landed
// one is applied and answered. At most one append is in flight.
//
// The loop is a turn, not a goroutine: whoever holds p.turn takes it. A caller
// whose transaction is ripe judges it if nobody else is at it, and whoever has
// appended a record lands it: a lone caller is woken once, by its answer. This
// goroutine is there for what comes while somebody is at it, and for time.
func (p *partition) run() {
	defer close(p.stopped)
	defer p.timer.Stop()
	for {
		tick := false
		select {
		case <-p.stopping:
			p.wind()
			return
		case <-p.queue.wake:
		case <-p.arrived:
		case <-p.timer.C:
			tick = true
		}
		p.turn.Lock()
		if tick {
			p.full = false
			p.timer.Reset(p.untilExpiry())
		}
		beside(p.round())
		p.turn.Unlock()
	}
}

// look has what waits judged, here if nobody is at it. Who never gives up also waits
// for the disk here; others could be kept beyond their time. On a shared log already
// judging can take as long as an engine's answer.
func (p *partition) look(ctx context.Context) {
	if p.shared() || !p.turn.TryLock() {
		p.queue.poke()
		return
	}
	fly := p.round()
	p.turn.Unlock()
	if fly != nil && ctx.Done() == nil {
		fly()
		return
	}
	beside(fly)
}

// round judges what waits, and returns the flight of a record that took off, for
// whoever calls to begin. Under turn.
func (p *partition) round() (fly func()) {
	if p.down() != nil {
		return nil
	}
	if p.flight == nil && p.behind() {
		_ = p.catchUp(p.judged)
		p.judged = nil
	}
	if p.flight == nil && p.between() {
		p.cross()
	}
	p.judged = p.gather(p.judged)
	return p.launch()
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

// wind ends the loop: what flies may still land; nothing new takes off.
func (p *partition) wind() {
	p.turn.Lock()
	p.wound = true
	p.queue.close(p.reason)
	if p.judged != nil {
		why := p.reason
		if mainstem.CodeOf(why) != mainstem.Stopped || p.node.Err() != nil {
			// The record that it was judged on may never have been durable (L4).
			why = mainstem.Errorf(mainstem.Unavailable, "partition %d stops: %w", p.id, why)
		}
		p.judged.refuse(why)
	}
	p.turn.Unlock()
	p.flights.Wait()
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
