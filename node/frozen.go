package node

import (
	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/state"
	"github.com/mainstemdb/mainstem/internal/store"
)

// frozen is the state between two changes with the tail it belongs to, shared
// by all views that are opened meanwhile: so no view waits for a change, no
// change for a view, and what was made ready for reading is used again.
type frozen struct {
	rows  state.Rows
	tail  *state.Tail
	token mainstem.Token // has seen the tail
	close func()
	// holders are the views, and the partition while it is the newest.
	holders store.Holders
}

func (f *frozen) release() {
	if f.holders.Release() {
		f.close()
	}
}

// freeze makes what the store holds now the newest state.
func (p *partition) freeze(tail *state.Tail) {
	s := p.store.Snapshot()
	p.publish(&frozen{rows: s, tail: tail, close: s.Close})
}

func (p *partition) publish(f *frozen) {
	f.holders.Begin()
	f.token = mainstem.NewToken(f.tail.Mark())
	if old := p.newest.Swap(f); old != nil {
		if was := old.tail.Writer; was != "" && was != f.tail.Writer {
			p.counted.takeovers.Add(1)
		}
		old.release()
	}
}

// hold is the newest state, until it is released.
func (p *partition) hold() *frozen {
	for {
		if f := p.newest.Load(); f.holders.Hold() {
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
