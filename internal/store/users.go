package store

import "sync"

// users counts the calls that are inside a store, so that Close can wait for
// them and later ones are turned away: Pebble panics when it is used after its
// Close.
type users struct {
	mu     sync.Mutex
	inside int
	ended  bool
	empty  chan struct{}
}

// enter reports whether the store is open; every true needs a leave.
func (u *users) enter() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ended {
		return false
	}
	u.inside++
	return true
}

func (u *users) leave() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.inside--
	if u.ended && u.inside == 0 {
		close(u.empty)
	}
}

// end turns later calls away, and reports whether it was the first to do so.
func (u *users) end() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ended {
		return false
	}
	u.ended, u.empty = true, make(chan struct{})
	if u.inside == 0 {
		close(u.empty)
	}
	return true
}

// wait returns when the last call that was inside has left.
func (u *users) wait() { <-u.empty }
