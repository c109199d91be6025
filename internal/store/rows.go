package store

import (
	"bytes"
	"iter"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/mainstemdb/mainstem/internal/state"
)

// Rows reads the rows of a store: the newest ones, or those of a Snapshot. It
// is a state.Rows that several goroutines may use. What Get and First return
// is the caller's to keep. An iteration shows the rows as they were when it
// began. While an Apply runs, each read of the newest rows shows all of it or
// nothing of it, but not all in the order in which they are asked: to read
// beside a writer, take a Snapshot.
type Rows struct {
	store  *Store
	frozen *pebble.Snapshot // nil for the newest rows

	// Making an iterator costs several times what using it does, so those not
	// in use are kept while they show what a new one would.
	mu     sync.Mutex
	idle   []*cursor
	inside int // reads that run
	closed bool
}

var _ state.Rows = (*Rows)(nil)

const maxIdle = 4

type cursor struct {
	*pebble.Iterator
	generation uint64
	bounded    bool
}

// Rows reads the newest rows.
func (s *Store) Rows() *Rows { return s.rows }

// Get returns the value of a row, or false.
func (r *Rows) Get(key []byte) ([]byte, bool, error) {
	// An iterator that is kept finds a row faster than Pebble's Get, which
	// opens every table anew; the prefix makes it ask the filters too.
	c, err := r.take(nil, nil)
	if err != nil {
		return nil, false, err
	}
	defer r.give(c)
	if !c.SeekPrefixGE(key) || !bytes.Equal(c.Key(), key) {
		return nil, false, r.store.damaged("reading a row", c.Error())
	}
	value, err := c.ValueAndErr()
	if err != nil {
		return nil, false, r.store.damaged("reading a row", err)
	}
	return append(make([]byte, 0, len(value)), value...), true, nil
}

// First returns the first row with from <= key < to, or false; a nil to means
// no upper end.
func (r *Rows) First(from, to []byte) (state.Row, bool, error) {
	if to != nil && bytes.Compare(from, to) >= 0 {
		return state.Row{}, false, nil
	}
	c, err := r.take(from, to)
	if err != nil {
		return state.Row{}, false, err
	}
	defer r.give(c)
	if !c.First() {
		return state.Row{}, false, r.store.damaged("reading a row", c.Error())
	}
	value, err := c.ValueAndErr()
	if err != nil {
		return state.Row{}, false, r.store.damaged("reading a row", err)
	}
	size := len(c.Key())
	kept := append(append(make([]byte, 0, size+len(value)), c.Key()...), value...)
	return state.Row{Key: kept[:size:size], Value: kept[size:]}, true, nil
}

// Scan yields the rows with from <= key < to in ascending order; a nil to
// means no upper end.
func (r *Rows) Scan(from, to []byte) iter.Seq2[state.Row, error] {
	return r.walk(from, to, (*pebble.Iterator).First, (*pebble.Iterator).Next)
}

// ScanBack yields the rows with from <= key < to in descending order; a nil to
// means no upper end.
func (r *Rows) ScanBack(from, to []byte) iter.Seq2[state.Row, error] {
	return r.walk(from, to, (*pebble.Iterator).Last, (*pebble.Iterator).Prev)
}

func (r *Rows) walk(from, to []byte, begin, next func(*pebble.Iterator) bool) iter.Seq2[state.Row, error] {
	return func(yield func(state.Row, error) bool) {
		if to != nil && bytes.Compare(from, to) >= 0 {
			return
		}
		c, err := r.take(from, to)
		if err != nil {
			yield(state.Row{}, err)
			return
		}
		defer r.give(c)
		for ok := begin(c.Iterator); ok; ok = next(c.Iterator) {
			value, err := c.ValueAndErr()
			if err != nil {
				yield(state.Row{}, r.store.damaged("reading a row", err))
				return
			}
			if !yield(state.Row{Key: c.Key(), Value: value}, nil) {
				return
			}
		}
		if err := c.Error(); err != nil {
			yield(state.Row{}, r.store.damaged("reading rows", err))
		}
	}
}

// enter begins a read; a nil error needs a leave.
func (r *Rows) enter() error {
	if !r.store.users.enter() {
		return ErrClosed
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		r.store.users.leave()
		return ErrClosed
	}
	r.inside++
	return nil
}

func (r *Rows) leave() {
	r.mu.Lock()
	r.inside--
	err := r.settle()
	r.mu.Unlock()
	if err != nil {
		r.store.log.Warn("a snapshot could not be closed", "err", err)
	}
	r.store.users.leave()
}

// end refuses further reads, and lets go of what the reads have held.
func (r *Rows) end() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.drop()
	return r.settle()
}

// settle closes the Pebble snapshot once it is closed and no read runs.
func (r *Rows) settle() error {
	if !r.closed || r.inside > 0 || r.frozen == nil {
		return nil
	}
	frozen := r.frozen
	r.frozen = nil
	return frozen.Close()
}

// stale lets go of idle cursors, which hold on to memory and files.
func (r *Rows) stale() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop()
}

func (r *Rows) drop() {
	for _, c := range r.idle {
		_ = c.Close() // its errors were told when it was used
	}
	r.idle = r.idle[:0]
}

// take enters the store with an iterator over [from, to). A nil error needs a
// give.
func (r *Rows) take(from, to []byte) (*cursor, error) {
	if err := r.enter(); err != nil {
		return nil, err
	}
	bounded := from != nil || to != nil
	if c := r.reuse(); c != nil {
		if bounded || c.bounded {
			c.SetBounds(from, to)
			c.bounded = bounded
		}
		return c, nil
	}
	// The generation is read first: rows applied meanwhile make the cursor
	// look older than it is, never newer.
	c := &cursor{generation: r.store.generation.Load(), bounded: bounded}
	o := &pebble.IterOptions{LowerBound: slices.Clone(from), UpperBound: slices.Clone(to)}
	var err error
	if r.frozen != nil {
		c.Iterator, err = r.frozen.NewIter(o)
	} else {
		c.Iterator, err = r.store.db.NewIter(o)
	}
	if err != nil {
		r.leave()
		return nil, r.store.damaged("opening an iterator", err)
	}
	return c, nil
}

// reuse returns an idle cursor, or nil. Apply leaves none that are old.
func (r *Rows) reuse() *cursor {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.idle)
	if n == 0 {
		return nil
	}
	c := r.idle[n-1]
	r.idle = r.idle[:n-1]
	return c
}

func (r *Rows) fresh(c *cursor) bool {
	return r.frozen != nil || c.generation == r.store.generation.Load()
}

func (r *Rows) give(c *cursor) {
	defer r.leave()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || len(r.idle) == maxIdle || c.Error() != nil || !r.fresh(c) {
		_ = c.Close() // its error was told when it was used
		return
	}
	r.idle = append(r.idle, c)
}
