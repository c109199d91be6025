package node

import (
	"bytes"
	"errors"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/breaklaw"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/internal/state"
	"github.com/mainstemdb/mainstem/journal"
)

// batch is one record on its way: judged, encoded, appended, applied.
type batch struct {
	p       *partition
	after   journal.Head
	header  record.Header
	step    *state.Step
	decided []record.Transaction
	size    int
	// checkpoint says that the record is to be a checkpoint.
	checkpoint bool
	// outlived clears away expiries that their keys have outlived.
	outlived []state.Write

	// answers are given once this record is durable: receipts of its
	// transactions, and rejections and replays judged on top of them (L4).
	answers []pendingAnswer

	bytes   []byte // none of a batch without a record, which only confirms the tail
	head    journal.Head
	applied bool
	tookOff time.Time
	unknown bool // whether it is in the log
	notice  *notice
}

type pendingAnswer struct {
	w       *waiter
	receipt *mainstem.Receipt
	err     error
	// own says that the transaction is part of this record.
	own bool
}

// now looks at the clock: a new batch begins, on top of the newest judged
// record; one that is open goes on.
func (b *batch) now() {
	p := b.p
	if b.step != nil {
		b.step.Now(p.age(b.step.Tail))
		return
	}
	if n := len(p.spares); n > 0 {
		b.decided, b.answers = p.spares[n-1].decided, p.spares[n-1].answers
		p.spares = p.spares[:n-1]
	}
	b.header, b.after = p.header(p.ahead), p.ahead.Head
	b.step = state.Begin(&p.room, p.overlay, p.hints, p.ahead, &b.header, b.write)
}

func (b *batch) write(w state.Write) { b.p.overlay.Put(w, b.header.Index) }

// room reports whether one more transaction of this size fits.
func (b *batch) room(size int) bool {
	fits := len(b.decided) < limitBatch && len(b.answers) < 2*limitBatch && b.size+size <= limitBatchBytes
	if fits {
		b.size += size
	}
	return fits
}

// expire admits the deletions of keys whose TTL has ended.
func (b *batch) expire() error {
	due, outlived, err := b.step.Expired(expirePerBatch)
	if err != nil {
		return err
	}
	b.outlived = append(b.outlived, outlived...)
	for _, d := range due {
		if _, err := b.admit(d); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) admit(d *record.Transaction) (mainstem.Position, error) {
	position, err := b.step.Admit(d)
	b.decided = append(b.decided, *d)
	return position, err
}

// judge decides one transaction. An error is one of the state, not of the
// transaction.
func (b *batch) judge(w *waiter) error {
	if w.t == nil {
		b.tell(pendingAnswer{w: w})
		return nil
	}
	decided, known, err := b.step.Judge(w.t)
	var refusal *mainstem.Error
	switch {
	case err != nil && (!errors.As(err, &refusal) || refusal.Code == mainstem.Corrupt):
		return err
	case err != nil:
		return b.reject(w, refusal)
	case known != nil:
		b.tell(pendingAnswer{w: w, receipt: known})
		return nil
	}
	position, err := b.admit(decided)
	if err != nil {
		return err
	}
	b.answers = append(b.answers, pendingAnswer{w: w, own: true, receipt: b.receipt(position, decided)})
	return nil
}

// receipt is the caller's to keep: what was decided lies in memory that the next
// record uses. Mostly there is one result, which is part of the same object.
func (b *batch) receipt(position mainstem.Position, decided *record.Transaction) *mainstem.Receipt {
	r := &struct {
		mainstem.Receipt
		one [1]mainstem.Result
	}{Receipt: mainstem.Receipt{
		Partition: b.p.id, Position: position, Incarnation: b.header.Incarnation,
		Age: b.step.Tail.Age, Wall: wallTime(b.step.Tail.Wall), Reply: decided.Reply, Refused: decided.Refused,
	}}
	if len(decided.Results) > 0 {
		r.Results = append(r.one[:0], decided.Results...)
	}
	return &r.Receipt
}

// reject answers with an error. Where requests can arrive late, the refusal
// becomes part of the record, so that a late copy of the attempt is refused
// too (L11).
func (b *batch) reject(w *waiter, why *mainstem.Error) error {
	if why.Code == mainstem.Overloaded && b.step.Turned() {
		// There is no room for IDs. They are let go in a record, and where all are
		// refused there would be none.
		b.checkpoint = true
	}
	if w.t.Networked && w.t.Attempt > 0 && definite(why.Code) && !breaklaw.On("L11") {
		r := record.Refusal{Group: w.t.Group, ID: w.t.ID, Attempt: w.t.Attempt}
		b.header.Refusals = append(b.header.Refusals, r)
		if err := b.step.Refuse(r); err != nil { // a later copy may be in this very batch
			return err
		}
		b.answers = append(b.answers, pendingAnswer{w: w, err: why, own: true})
		return nil
	}
	b.tell(pendingAnswer{w: w, err: why})
	return nil
}

// definite says which rejections end an attempt for good. The others are about
// an ID whose fate is settled already, or ask for a repetition.
func definite(c mainstem.Code) bool {
	switch c {
	case mainstem.Cancelled, mainstem.TooOld, mainstem.IDReused, mainstem.Overloaded, mainstem.InProgress:
		return false
	default:
		return true
	}
}

// tell gives an answer that has no record of its own as soon as the highest
// position it was judged against is durable (L4), and on a shared log is known to
// have been the tail at a moment after the request came (L8).
func (b *batch) tell(a pendingAnswer) {
	switch {
	case breaklaw.On("L4"):
		a.give(b.p)
	case b.worthRecord(), b.p.shared():
		b.answers = append(b.answers, a)
	case b.p.flight != nil:
		b.p.flight.answers = append(b.p.flight.answers, a)
	default:
		a.give(b.p)
	}
}

// worthRecord reports whether there is anything to make durable.
func (b *batch) worthRecord() bool {
	return len(b.decided) > 0 || len(b.header.Refusals) > 0 || b.checkpoint ||
		b.header.Settings != nil || b.header.Restored || b.header.Member != nil || b.header.Vote != nil ||
		b.header.Prepare != nil || b.header.Moved != nil || b.header.Successor != ""
}

// abandon forgets a batch that nothing came of.
func (b *batch) abandon() { b.p.overlay.Drop(b.header.Index) }

// spare is memory that a batch has used.
type spare struct {
	decided []record.Transaction
	answers []pendingAnswer
}

// recycle leaves to batches to come the memory that this one has used. Two are on
// their way at a time.
func (b *batch) recycle() {
	clear(b.decided)
	clear(b.answers)
	if len(b.p.spares) < 2 {
		b.p.spares = append(b.p.spares, spare{b.decided[:0], b.answers[:0]})
	}
	b.decided, b.answers = nil, nil
}

// encode fixes the bytes of the record, and with them the chain.
func (b *batch) encode() error {
	if err := b.finish(); err != nil {
		return err
	}
	b.after = b.p.ahead.Head
	b.header.PrevHash, b.header.Count = b.after.Hash, uint32(len(b.decided))
	r := &record.Record{Header: b.header, Transactions: b.decided}
	// The same check that replay makes after reading: what this node writes,
	// every node must be able to follow.
	if err := b.p.ahead.Follows(r); err != nil {
		return err
	}
	var err error
	if b.p.scratch, err = record.Encode(b.p.scratch[:0], r); err != nil {
		return err
	}
	b.bytes = bytes.Clone(b.p.scratch) // as long as it has to be: the ring keeps it
	b.step.Seal(&b.header, journal.Sum(b.bytes))
	b.head = b.step.Tail.Head
	return nil
}

// finish admits what the header carries, after all transactions, as replay does.
func (b *batch) finish() error {
	if b.checkpoint {
		horizons, err := b.step.Horizons()
		if err != nil {
			return err
		}
		b.header.Checkpoint = b.p.sweeper.checkpoint(b.step.Tail, horizons)
	}
	return b.step.Finish(&b.header)
}

// writes is what the durable record does to the rows.
func (b *batch) writes() []state.Write {
	return append(b.p.overlay.Writes(b.header.Index), state.Settle(b.step.Tail, &b.header, b.head)...)
}

// answerAll gives every answer; err, if not nil, takes the place of those that
// stand on this record.
func (b *batch) answerAll(err error) {
	for _, a := range b.answers {
		switch {
		case err != nil:
			a.receipt, a.err = nil, err
		case a.receipt != nil && a.own:
			a.receipt.Token = mainstem.NewToken(state.Mark(b.p.id, b.header.Incarnation, a.receipt.Position, b.head))
		}
		a.give(b.p)
	}
}

// refuse answers a batch that was never appended.
func (b *batch) refuse(err error) { b.answerAll(err) }

// fail answers a batch whose append ended badly: its own transactions with the
// code, those judged on top of it as unavailable (L4).
func (b *batch) fail(code mainstem.Code, err error) {
	for _, a := range b.answers {
		c := code
		if !a.own {
			c = mainstem.Unavailable
		}
		if a.w.t == nil {
			c = mainstem.Unavailable
		}
		a.w.tell(answer{err: mainstem.Errorf(c, "%s: %w", a.w, err)})
	}
}

// give completes a receipt with its token, and hands the answer over.
func (a pendingAnswer) give(p *partition) {
	if a.receipt != nil {
		if err := p.complete(a.receipt); err != nil {
			a.receipt, a.err = nil, err
		}
	}
	a.w.tell(answer{receipt: a.receipt, err: a.err})
}
