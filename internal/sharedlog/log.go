package sharedlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/mainstemdb/mainstem/journal"
)

// Fault is what happens to the next append of a Log.
type Fault int

// The faults.
const (
	// None: it goes well.
	None Fault = iota
	// ReplyLost: the record is written; the caller does not hear of it.
	ReplyLost
	// RequestLost: the record is not written; the caller does not hear of that.
	RequestLost
	// Held: the record is on its way until Release; the caller hears of nothing.
	Held
	// HeldAndCut is Held, and the way to the store is cut in the same moment.
	HeldAndCut
	// Refused: the engine says that it did not write the record.
	Refused
)

// Log is one node's way to a Store. It is a journal.Log.
type Log struct {
	store *Store

	mu     sync.Mutex
	cut    bool
	next   Fault
	held   []late
	closed chan struct{}
	once   sync.Once
	moved  chan struct{} // closed when cut changes
}

var _ journal.Log = (*Log)(nil)

// late is an append that is on its way.
type late struct {
	after  journal.Head
	record []byte
}

// Open is another way to the store.
func (s *Store) Open() *Log {
	return &Log{store: s, closed: make(chan struct{}), moved: make(chan struct{})}
}

// FailNext orders a fault for the next append.
func (l *Log) FailNext(f Fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next = f
}

// Cut takes the way to the store away, or gives it back.
func (l *Log) Cut(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = cut
	close(l.moved)
	l.moved = make(chan struct{})
}

// Release lets what was held arrive, after whatever was written meanwhile.
func (l *Log) Release() {
	l.mu.Lock()
	held := l.held
	l.held = nil
	l.mu.Unlock()
	for _, h := range held {
		l.store.arrive(h)
	}
}

var errCut = errors.New("the log cannot be reached")

// state is why nothing can be done now, and what ends that.
func (l *Log) state() (moved <-chan struct{}, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.closed:
		return l.moved, fmt.Errorf("%w: the log is closed", journal.ErrFailed)
	default:
	}
	if l.cut {
		return l.moved, errCut
	}
	return l.moved, nil
}

// Append writes a record, or does what was ordered.
func (l *Log) Append(ctx context.Context, after journal.Head, record []byte) (journal.Head, error) {
	if err := ctx.Err(); err != nil {
		return journal.Head{}, fmt.Errorf("%w: %w", journal.ErrFailed, err)
	}
	if len(record) > journal.MaxRecord {
		return journal.Head{}, fmt.Errorf("%w: a record of %d bytes", journal.ErrFailed, len(record))
	}
	if _, err := l.state(); err != nil {
		return journal.Head{}, failed(err)
	}
	l.mu.Lock()
	fault := l.next
	l.next = None
	if fault == Held || fault == HeldAndCut {
		l.held = append(l.held, late{after, bytes.Clone(record)})
		l.cut = l.cut || fault == HeldAndCut
	}
	l.mu.Unlock()
	switch fault {
	case Refused:
		return journal.Head{}, fmt.Errorf("%w: ordered", journal.ErrFailed)
	case RequestLost, Held, HeldAndCut:
		return journal.Head{}, fmt.Errorf("%w: ordered", journal.ErrUnknown)
	case ReplyLost:
		_, err := l.store.append(after, record)
		return journal.Head{}, errors.Join(fmt.Errorf("%w: ordered", journal.ErrUnknown), hide(err))
	}
	return l.store.append(after, record)
}

// hide keeps an outcome that did not arrive from being one of the three.
func hide(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(err.Error())
}

func failed(err error) error {
	if errors.Is(err, journal.ErrFailed) {
		return err
	}
	return fmt.Errorf("%w: %w", journal.ErrFailed, err)
}

// Read yields what is stored from a slot on.
func (l *Log) Read(ctx context.Context, from uint64) iter.Seq2[journal.Entry, error] {
	end, _ := l.store.end()
	return func(yield func(journal.Entry, error) bool) {
		for slot := from; ; slot++ {
			record, err := l.at(ctx, slot, end)
			if err != nil {
				yield(journal.Entry{}, err)
				return
			}
			if slot >= end || !yield(journal.Entry{Slot: slot, Record: record}, nil) {
				return
			}
		}
	}
}

func (l *Log) at(ctx context.Context, slot, end uint64) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if _, err := l.state(); err != nil {
		return nil, err
	}
	s := l.store
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case slot < s.oldest:
		return nil, fmt.Errorf("%w: slot %d, the oldest kept one is %d", journal.ErrTrimmed, slot, s.oldest)
	case slot >= end:
		return nil, nil
	case slot-s.oldest >= uint64(len(s.slots)):
		return nil, fmt.Errorf("%w: slot %d is gone", journal.ErrCorrupt, slot)
	}
	return append([]byte{}, s.slots[slot-s.oldest]...), nil
}

// Confirm compares with the tail.
func (l *Log) Confirm(ctx context.Context, head journal.Head) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := l.state(); err != nil {
		return err
	}
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	if tail := l.store.tail; tail.Index != head.Index || tail.Hash != head.Hash {
		return fmt.Errorf("%w: the tail is index %d, not %d", journal.ErrLost, tail.Index, head.Index)
	}
	return nil
}

// Wait waits for a slot.
func (l *Log) Wait(ctx context.Context, slot uint64) error {
	for {
		next, changed := l.store.end()
		moved, err := l.state()
		switch {
		case errors.Is(err, journal.ErrFailed):
			return err
		case err == nil && next > slot:
			return nil
		}
		select {
		case <-changed:
		case <-moved:
		case <-l.closed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Trim forgets slots.
func (l *Log) Trim(ctx context.Context, slot uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := l.state(); err != nil {
		return err
	}
	s := l.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if first := min(slot, s.oldest+uint64(max(0, len(s.slots)-1))); first > s.oldest {
		s.slots = append([][]byte(nil), s.slots[first-s.oldest:]...)
		s.oldest = first
	}
	return nil
}

// Close ends this way to the store.
func (l *Log) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}
