package store

import (
	"sync"
	"sync/atomic"
)

// users counts the calls that are inside a store, so that Close can wait for
// them and later ones are turned away: Pebble panics when it is used after its
// Close.
type users struct {
	inside atomic.Int64 // and ended, once later calls are turned away
	ending atomic.Bool
	once   sync.Once
	empty  chan struct{} // closed when the last call has left
}

const ended = 1 << 62

func newUsers() *users { return &users{empty: make(chan struct{})} }

// enter reports whether the store is open; every true needs a leave.
func (u *users) enter() bool {
	if u.inside.Add(1) < ended {
		return true
	}
	u.leave()
	return false
}

func (u *users) leave() {
	if u.inside.Add(-1) == ended {
		u.once.Do(func() { close(u.empty) })
	}
}

// end turns later calls away, and reports whether it was the first to do so.
func (u *users) end() bool {
	if !u.ending.CompareAndSwap(false, true) {
		return false
	}
	u.inside.Add(ended + 1) // one more, which leaves at once
	u.leave()
	return true
}

// wait returns when the last call that was inside has left.
func (u *users) wait() { <-u.empty }
