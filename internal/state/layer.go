package state

import (
	"bytes"
	"slices"
	"sort"
)

// layer is the writes of one record, found by key at once, and in order when
// somebody asks for a range. Most records are never asked for one: so keys are
// put in order only then.
//
// Keys and values are copied into memory that the layers of one overlay use one
// after the other.
type layer struct {
	index  uint64
	seed   uint64 // of hashes
	writes []Write
	// slots are open addresses of rows: half of a hash, and the newest write of
	// the row plus 1. Writes before fence stay where they are, because a range
	// deletion follows them.
	slots []uint64
	rows  int // rows in slots
	fence int
	// passed counts writes that a later one of the same row has replaced.
	passed int
	memory []byte // what keys and values go to next, and room behind it
	used   int    // bytes of keys and values, wherever they are

	sorted []int // the newest writes, by key
	fresh  []int // rows that sorted lacks
}

// Room that an empty layer keeps whatever it was used for, and by how much more
// than that a layer has to have had room before it is let go, after a flood.
const (
	smallLayer = 64 << 10 // bytes, or slots
	manyTimes  = 8
)

// again is an empty layer with the room of this one.
func (l *layer) again() *layer {
	next := &layer{seed: l.seed, writes: l.writes[:0], slots: l.slots, memory: l.memory[:0], sorted: l.sorted[:0], fresh: l.fresh[:0]}
	clear(l.writes)
	clear(l.slots)
	if n := len(l.slots); n > smallLayer && n > manyTimes*2*l.rows {
		next.slots, next.writes, next.sorted, next.fresh = nil, nil, nil, nil
	}
	if n := cap(l.memory); n > smallLayer && n > manyTimes*l.used {
		next.memory = nil
	}
	return next
}

func (l *layer) put(w Write) {
	n := len(l.writes)
	if w.End != nil {
		l.writes = append(l.writes, Write{Key: l.copied(w.Key), Delete: true, End: l.copied(w.End)})
		l.fence = n + 1
		return
	}
	if 2*l.rows >= len(l.slots) {
		l.widen()
	}
	hash, slot := l.find(w.Key)
	i := int(uint32(*slot)) - 1
	if i >= 0 && i >= l.fence {
		l.writes[i].Value, l.writes[i].Delete = l.copied(w.Value), w.Delete
		return
	}
	l.writes = append(l.writes, Write{Key: l.copied(w.Key), Value: l.copied(w.Value), Delete: w.Delete})
	*slot = hash>>32<<32 | uint64(n+1)
	if i < 0 {
		l.rows++
		l.fresh = append(l.fresh, n)
		return
	}
	l.writes[i].Key = nil
	l.passed++
	l.sorted, l.fresh = nil, l.fresh[:0]
	for j := range l.writes {
		if l.newest(j) {
			l.fresh = append(l.fresh, j)
		}
	}
}

// copied is bytes that last as long as the layer.
func (l *layer) copied(b []byte) []byte {
	if b == nil {
		return nil
	}
	l.used += len(b)
	if cap(l.memory)-len(l.memory) < len(b) {
		l.memory = make([]byte, 0, max(4<<10, 2*cap(l.memory), len(b))) // what was copied stays in the old one
	}
	at := len(l.memory)
	l.memory = append(l.memory, b...)
	return l.memory[at:len(l.memory):len(l.memory)]
}

// find is the slot where a row is, or would be, and its hash.
func (l *layer) find(key []byte) (hash uint64, slot *uint64) {
	hash = hashOf(l.seed, key)
	for at := hash; ; at++ {
		slot = &l.slots[at&uint64(len(l.slots)-1)]
		if *slot == 0 || *slot>>32 == hash>>32 && bytes.Equal(l.writes[uint32(*slot)-1].Key, key) {
			return hash, slot
		}
	}
}

// widen makes room for more rows.
func (l *layer) widen() {
	l.slots = make([]uint64, max(64, 2*len(l.slots)))
	for i := range l.writes {
		if l.newest(i) {
			hash, slot := l.find(l.writes[i].Key)
			*slot = hash>>32<<32 | uint64(i+1)
		}
	}
}

// newest reports whether a write is the newest of one row.
func (l *layer) newest(i int) bool { return l.writes[i].Key != nil && l.writes[i].End == nil }

func (l *layer) get(key []byte) (*Write, bool) {
	if l.rows == 0 {
		return nil, false
	}
	_, slot := l.find(key)
	if *slot == 0 {
		return nil, false
	}
	return &l.writes[uint32(*slot)-1], true
}

// kept is the writes without those that were replaced.
func (l *layer) kept() []Write {
	if l.passed == 0 {
		return l.writes
	}
	kept := make([]Write, 0, len(l.writes)-l.passed)
	for _, w := range l.writes {
		if w.Key != nil {
			kept = append(kept, w)
		}
	}
	return kept
}

// between is the newest writes with from <= key < to, by key; a nil to means
// no upper end.
func (l *layer) between(from, to []byte) []int {
	l.settle()
	first := l.search(from)
	if to == nil {
		return l.sorted[first:]
	}
	return l.sorted[first:max(first, l.search(to))]
}

func (l *layer) search(key []byte) int {
	return sort.Search(len(l.sorted), func(i int) bool { return bytes.Compare(l.writes[l.sorted[i]].Key, key) >= 0 })
}

// settle merges the fresh rows into the sorted ones.
func (l *layer) settle() {
	if len(l.fresh) == 0 {
		return
	}
	compare := func(a, b int) int { return bytes.Compare(l.writes[a].Key, l.writes[b].Key) }
	slices.SortFunc(l.fresh, compare)
	merged := make([]int, 0, len(l.sorted)+len(l.fresh)+len(l.sorted)/2)
	old := l.sorted
	for _, f := range l.fresh {
		n, _ := slices.BinarySearchFunc(old, f, compare)
		merged = append(append(merged, old[:n]...), f)
		old = old[n:]
	}
	l.sorted, l.fresh = append(merged, old...), l.fresh[:0]
}
