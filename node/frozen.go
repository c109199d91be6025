package node

import (
	"sync/atomic"

	"github.com/mainstemdb/mainstem/internal/state"
)

// frozen is the state between two changes with the tail it belongs to, shared
// by all views that are opened meanwhile: so no view waits for a change, no
// change for a view, and what was made ready for reading is used again.
type frozen struct {
	rows  state.Rows
	tail  *state.Tail
	close func() error
	// users counts the views that hold it, and the partition while it is the
	// newest. Who lets go last closes it; from 0 it never rises again.
	users atomic.Int64
}

func (f *frozen) hold() bool {
	for {
		n := f.users.Load()
		if n == 0 {
			return false
		}
		if f.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (f *frozen) release() error {
	if f.users.Add(-1) > 0 {
		return nil
	}
	return f.close()
}

// freeze makes what the store holds now the newest state.
func (p *partition) freeze(tail *state.Tail) {
	s := p.store.Snapshot()
	p.publish(&frozen{rows: s, tail: tail, close: s.Close})
}

func (p *partition) publish(f *frozen) {
	f.users.Store(1)
	if old := p.newest.Swap(f); old != nil {
		if err := old.release(); err != nil {
			p.logger.Warn("a frozen state could not be released", "err", err)
		}
	}
}

// hold is the newest state, until it is released.
func (p *partition) hold() *frozen {
	for {
		if f := p.newest.Load(); f.hold() {
			return f
		}
	}
}

// change applies writes to the state, which then ends in tail; nil for the tail
// as it is.
func (p *partition) change(writes []state.Write, tail *state.Tail) error {
	p.changing.Lock()
	defer p.changing.Unlock()
	if err := p.store.Apply(writes); err != nil {
		return err
	}
	if tail == nil {
		tail = p.newest.Load().tail
	}
	p.freeze(tail)
	return nil
}
