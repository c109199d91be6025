package store

import (
	"bytes"
	"hash/maphash"
	"sync/atomic"

	"github.com/mainstemdb/mainstem/internal/state"
)

// memo is newest versions that were read from the tables of one base: what is
// read again and again is not looked for again. Tables do not change, so nothing
// in it is ever out of date, and it goes with its base.
type memo struct {
	seed  maphash.Seed
	slots []atomic.Pointer[state.Row] // by hash of the name; the last one read stays
	room  atomic.Int64                // bytes left for rows
}

const (
	// memoShare of the memory is for a memo, its slots included.
	memoShare = 32
	// memoSlot is for how many bytes of a memo there is a slot: more than a slot
	// takes, less than most rows.
	memoSlot = 64
	// memoRow is what a row takes beside its bytes.
	memoRow = 64
)

func newMemo(limit int64) *memo {
	slots := int64(1)
	for 2*slots*memoSlot <= limit {
		slots *= 2
	}
	m := &memo{seed: maphash.MakeSeed(), slots: make([]atomic.Pointer[state.Row], slots)}
	m.room.Store(limit - slots*8)
	return m
}

func (m *memo) slot(name []byte) *atomic.Pointer[state.Row] {
	return &m.slots[maphash.Bytes(m.seed, name)&uint64(len(m.slots)-1)]
}

// find is the newest version of a key, or nil if it is not remembered.
func (m *memo) find(name []byte) *state.Row {
	if row := m.slot(name).Load(); row != nil {
		if of, _ := state.Prefix(row.Key); bytes.Equal(of, name) {
			return row
		}
	}
	return nil
}

// keep remembers the newest version of a key if there is room, or can be made in
// its slot.
func (m *memo) keep(name []byte, row *state.Row) {
	slot := m.slot(name)
	old := slot.Load()
	more := memoBytes(row) - memoBytes(old)
	if m.room.Add(-more) < 0 && more > 0 || !slot.CompareAndSwap(old, row) {
		m.room.Add(more)
	}
}

func memoBytes(row *state.Row) int64 {
	if row == nil {
		return 0
	}
	return int64(cap(row.Key)+cap(row.Value)) + memoRow
}
