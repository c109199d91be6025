package store

import (
	"bytes"
	"iter"
	"sync"

	"github.com/mainstemdb/mainstem/internal/state"
)

// Rows reads the rows of a store: the newest ones, or those of a Snapshot. It
// is a state.Rows that several goroutines may use. What Get and First return
// is good for as long as anybody refers to it. An iteration shows the rows as
// they were when it began. While an Apply runs, each read of the newest rows
// shows all of it or nothing of it, but not all in the order in which they are
// asked: to read beside a writer, take a Snapshot.
type Rows struct {
	store *Store

	mu     sync.Mutex
	frozen *view // nil for the newest rows
	closed bool
}

var _ state.Rows = (*Rows)(nil)

// Rows reads the newest rows.
func (s *Store) Rows() *Rows { return s.rows }

// enter begins a read; a nil error needs a leave.
func (r *Rows) enter() (*view, error) {
	if !r.store.users.enter() {
		return nil, ErrClosed
	}
	if v := r.hold(); v != nil {
		return v, nil
	}
	r.store.users.leave()
	return nil, ErrClosed
}

// hold is the view to read, held until it is released; nil once it is closed.
func (r *Rows) hold() *view {
	if r == r.store.rows {
		return r.store.hold()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || !r.frozen.base.holders.Hold() {
		return nil
	}
	return r.frozen
}

func (r *Rows) leave(v *view) {
	v.base.release()
	r.store.users.leave()
}

// end refuses further reads, and lets go of what they have held.
func (r *Rows) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.closed = true
		r.frozen.base.release()
		r.frozen = nil
	}
}

// Get returns the value of a row, or false.
func (r *Rows) Get(key []byte) ([]byte, bool, error) {
	v, err := r.enter()
	if err != nil {
		return nil, false, err
	}
	defer r.leave(v)
	return v.get(key)
}

// First returns the first row with from <= key < to, or false; a nil to means
// no upper end.
func (r *Rows) First(from, to []byte) (state.Row, bool, error) {
	if to != nil && bytes.Compare(from, to) >= 0 {
		return state.Row{}, false, nil
	}
	v, err := r.enter()
	if err != nil {
		return state.Row{}, false, err
	}
	defer r.leave(v)
	return v.first(from, to)
}

// Scan yields the rows with from <= key < to in ascending order; a nil to
// means no upper end.
func (r *Rows) Scan(from, to []byte) iter.Seq2[state.Row, error] { return r.walk(from, to, false) }

// ScanBack yields the rows with from <= key < to in descending order; a nil to
// means no upper end.
func (r *Rows) ScanBack(from, to []byte) iter.Seq2[state.Row, error] { return r.walk(from, to, true) }

func (r *Rows) walk(from, to []byte, back bool) iter.Seq2[state.Row, error] {
	return func(yield func(state.Row, error) bool) {
		if to != nil && bytes.Compare(from, to) >= 0 {
			return
		}
		v, err := r.enter()
		if err != nil {
			yield(state.Row{}, err)
			return
		}
		defer r.leave(v)
		err = v.each(from, to, back, func(key, value []byte) bool { return yield(state.Row{Key: key, Value: value}, nil) })
		if err != nil {
			yield(state.Row{}, err)
		}
	}
}
