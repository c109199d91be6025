package store

import "sync/atomic"

// Holders counts who holds something that is shared. Who lets go last closes
// it; from 0 it never rises again.
type Holders struct{ n atomic.Int64 }

// Begin counts the first holder.
func (h *Holders) Begin() { h.n.Store(1) }

// Hold counts one more, unless the last has let go.
func (h *Holders) Hold() bool {
	for {
		n := h.n.Load()
		if n == 0 {
			return false
		}
		if h.n.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// Release counts one less, and reports whether it was the last.
func (h *Holders) Release() (last bool) { return h.n.Add(-1) == 0 }
