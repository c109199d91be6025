package jetstream

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"sync"

	"github.com/mainstemdb/mainstem/journal"
)

// Read yields the entries from slot from up to the tail at the time of the
// call. Messages are asked of the stream's leader, several at a time; every
// one is checked (L12), and one that is missing is a *Damage.
//
// A proof of Confirm is yielded as the record that it confirms, once more:
// that record names an ancestor by now, so it is a void like any other (L2).
func (l *Log) Read(ctx context.Context, from uint64) iter.Seq2[journal.Entry, error] {
	upTo, err := l.extent(ctx)
	return func(yield func(journal.Entry, error) bool) {
		if err == nil {
			err = l.usable()
		}
		if err == nil && from == 0 {
			err = fmt.Errorf("%w: slot 0, the oldest kept one is 1", journal.ErrTrimmed)
		}
		if err != nil {
			yield(journal.Entry{}, err)
			return
		}
		if upTo == 0 || from > l.slotOf(upTo) {
			return
		}
		r := l.newReader(ctx, l.sequenceOf(from), upTo)
		defer r.close()
		for r.more() {
			e, err := r.entry()
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// extent is the last sequence to read; 0 when there is no record.
func (l *Log) extent(ctx context.Context) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if err := l.usable(); err != nil {
		return 0, err
	}
	ctx, cancel := l.within(ctx)
	defer cancel()
	if err := l.root(ctx); err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.rooted {
		return 0, nil
	}
	return l.seen, nil
}

// aheadBytes bounds what a reader asks for at a time, guessing from the largest
// message of late.
const aheadBytes = 4 << 20

// reader asks for messages ahead of where it reads.
type reader struct {
	l       *Log
	ctx     context.Context
	cancel  context.CancelFunc
	tasks   sync.WaitGroup
	next    uint64 // sequence to read
	asked   uint64 // sequence to ask for
	upTo    uint64
	ahead   int // how many to ask for at a time
	flights []chan flight

	record []byte // of the newest record that was read
	of     journal.Head
}

// flight is a message that was asked for.
type flight struct {
	m   message
	err error
}

func (l *Log) newReader(ctx context.Context, from, upTo uint64) *reader {
	r := &reader{l: l, next: from, asked: from, upTo: upTo, ahead: 1}
	r.ctx, r.cancel = context.WithCancel(ctx)
	return r
}

func (r *reader) close() {
	r.cancel()
	r.tasks.Wait()
}

func (r *reader) more() bool { return r.next <= r.upTo }

// entry returns the next message as a slot of the log.
func (r *reader) entry() (journal.Entry, error) {
	for len(r.flights) < r.ahead && r.asked <= r.upTo {
		landed, seq := make(chan flight, 1), r.asked
		r.tasks.Go(func() {
			ctx, cancel := r.l.within(r.ctx)
			defer cancel()
			m, err := r.l.must(ctx, seq)
			landed <- flight{m, err}
		})
		r.flights = append(r.flights, landed)
		r.asked++
	}
	f := <-r.flights[0]
	r.flights = r.flights[1:]
	if err := r.ctx.Err(); err != nil {
		return journal.Entry{}, err
	}
	if f.err != nil {
		return journal.Entry{}, f.err
	}
	r.ahead = max(1, min(2*r.ahead, LimitAhead, aheadBytes/(envelope+len(f.m.record))))
	e := journal.Entry{Slot: r.l.slotOf(r.next), Record: f.m.record}
	if f.m.kind == kindProof {
		var err error
		if e.Record, err = r.confirmed(f.m.names); err != nil {
			return journal.Entry{}, err
		}
	} else {
		r.record = f.m.record
		r.of = journal.Head{Index: f.m.names.Index + 1, Hash: journal.Sum(f.m.record), Slot: e.Slot}
	}
	r.next++
	return e, nil
}

// confirmed is a copy of the record that a proof names. One of the empty log
// that came late names the first record's predecessor, as that record does.
func (r *reader) confirmed(head journal.Head) ([]byte, error) {
	if head == r.of {
		return bytes.Clone(r.record), nil
	}
	ctx, cancel := r.l.within(r.ctx)
	defer cancel()
	at := r.l.sequenceOf(max(1, head.Slot))
	if at >= r.next {
		return nil, r.l.damage(r.next, fmt.Sprintf("it confirms slot %d, which does not stand before it (L2)", head.Slot))
	}
	m, err := r.l.must(ctx, at)
	if err != nil {
		return nil, err
	}
	if m.kind != kindRecord || head.Index > 0 && !m.is(head) {
		return nil, r.l.damage(r.next, fmt.Sprintf("it confirms index %d (%v) in slot %d, which holds another record (L2)", head.Index, head.Hash, head.Slot))
	}
	return m.record, nil
}
