// Package memory is the log engine without a disk: a slice. It has the same
// outcomes as the other engines and keeps nothing. It serves tests, examples,
// and data whose loss does not matter.
package memory

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"sync"

	"github.com/mainstemdb/mainstem/journal"
)

// Log is a journal.Log in this process's memory. Slot and Index are the same.
type Log struct {
	mu      sync.Mutex
	oldest  uint64   // index of records[0]
	records [][]byte // the newest last
	tail    journal.Head
	waiters chan struct{} // closed when something changes; nil when nobody waits
	closed  bool
	next    error // outcome that FailNext ordered, or nil
	keep    bool  // whether the record is in the log all the same
}

var _ journal.Log = (*Log)(nil)

// New returns an empty log.
func New() *Log { return &Log{oldest: 1} }

// Guarantees says that nothing outlives the process.
func (l *Log) Guarantees() journal.Guarantees {
	return journal.Guarantees{
		Engine: "memory", Machines: 1, Copies: 1,
		Loses: "everything, when the process ends",
		Weak:  []string{"records are kept in memory only"},
	}
}

// FailNext makes the next Append end with outcome, which is
// journal.ErrUnknown or journal.ErrFailed. After ErrUnknown, kept says whether
// the record is in the log all the same. Only the one Append is affected.
func (l *Log) FailNext(outcome error, kept bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next, l.keep = outcome, kept && outcome == journal.ErrUnknown //nolint:errorlint // the two sentinels themselves
}

// Tail returns the newest entry's head; the zero Head when the log is empty.
func (l *Log) Tail() journal.Head {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tail
}

// Append writes record as the successor of after.
func (l *Log) Append(ctx context.Context, after journal.Head, record []byte) (journal.Head, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return journal.Head{}, fmt.Errorf("%w: %w", journal.ErrFailed, err)
	}
	if l.closed {
		return journal.Head{}, errClosed
	}
	if len(record) > journal.MaxRecord {
		return journal.Head{}, fmt.Errorf("%w: the record has %d bytes, the limit is %d", journal.ErrFailed, len(record), journal.MaxRecord)
	}
	if after.Index != l.tail.Index || after.Hash != l.tail.Hash {
		return journal.Head{}, fmt.Errorf("%w: index %d (%v) is not the tail, which is index %d (%v)", journal.ErrLost, after.Index, after.Hash, l.tail.Index, l.tail.Hash)
	}
	ordered, keep := l.next, l.keep
	l.next, l.keep = nil, false
	if ordered == nil || keep {
		l.records = append(l.records, bytes.Clone(record))
		l.tail = journal.Head{Index: after.Index + 1, Hash: journal.Sum(record), Slot: after.Index + 1}
		l.wake()
	}
	if ordered != nil {
		return journal.Head{}, fmt.Errorf("%w: ordered by FailNext", ordered)
	}
	return l.tail, nil
}

var errClosed = fmt.Errorf("%w: the log is closed", journal.ErrFailed)

func (l *Log) wake() {
	if l.waiters != nil {
		close(l.waiters)
		l.waiters = nil
	}
}

// Read yields the entries from slot from up to the tail at the time of the
// call.
func (l *Log) Read(ctx context.Context, from uint64) iter.Seq2[journal.Entry, error] {
	upTo := l.Tail().Index
	return func(yield func(journal.Entry, error) bool) {
		for slot := from; ; slot++ {
			record, err := l.at(ctx, slot, upTo)
			if err != nil {
				yield(journal.Entry{}, err)
				return
			}
			if slot > upTo || !yield(journal.Entry{Slot: slot, Record: record}, nil) {
				return
			}
		}
	}
}

// at returns a copy of the record at slot; nil beyond upTo.
func (l *Log) at(ctx context.Context, slot, upTo uint64) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return nil, errClosed
	case slot < l.oldest:
		return nil, fmt.Errorf("%w: slot %d, the oldest kept one is %d", journal.ErrTrimmed, slot, l.oldest)
	case slot > upTo:
		return nil, nil
	}
	return append([]byte{}, l.records[slot-l.oldest]...), nil
}

// Confirm returns nil if head is the tail.
func (l *Log) Confirm(ctx context.Context, head journal.Head) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return errClosed
	}
	if head.Index != l.tail.Index || head.Hash != l.tail.Hash {
		return fmt.Errorf("%w: asked about index %d (%v), the tail is index %d (%v)", journal.ErrLost, head.Index, head.Hash, l.tail.Index, l.tail.Hash)
	}
	return nil
}

// Wait returns nil as soon as an entry exists at slot or above.
func (l *Log) Wait(ctx context.Context, slot uint64) error {
	for {
		l.mu.Lock()
		if l.closed {
			l.mu.Unlock()
			return errClosed
		}
		if l.tail.Slot >= slot && l.tail.Slot > 0 {
			l.mu.Unlock()
			return nil
		}
		if l.waiters == nil {
			l.waiters = make(chan struct{})
		}
		changed := l.waiters
		l.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Trim forgets every entry below slot, but never the newest one.
func (l *Log) Trim(ctx context.Context, slot uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return errClosed
	}
	if first := min(slot, l.tail.Index); first > l.oldest {
		l.records = append([][]byte(nil), l.records[first-l.oldest:]...)
		l.oldest = first
	}
	return nil
}

// Close forgets everything. Closing twice is a no-op.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed, l.records = true, nil
	l.wake()
	return nil
}
