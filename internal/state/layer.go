package state

import (
	"bytes"
	"slices"
	"sort"
)

// layer is the writes of one record, found by key at once, and in order when
// somebody asks for a range. Most records are never asked for one: so keys are
// put in order only then.
type layer struct {
	index  uint64
	writes []Write
	// at is the newest write of each row; writes before fence stay where they
	// are, because a range deletion follows them.
	at    map[string]int
	fence int
	most  int // rows that at has ever held
	// passed counts writes that a later one of the same row has replaced.
	passed int

	sorted []int // the newest writes, by key
	fresh  []int // rows that sorted lacks
}

// again is an empty layer, if it can with the room of this one. Clearing a map
// costs as much as the most it ever held, so after a flood it is let go.
func (l *layer) again() *layer {
	const small, much = 1 << 10, 8
	if l.most = max(l.most, len(l.at)); l.most > small && l.most > much*len(l.at) {
		return nil
	}
	clear(l.at)
	clear(l.writes)
	return &layer{writes: l.writes[:0], at: l.at, most: l.most, sorted: l.sorted[:0], fresh: l.fresh[:0]}
}

func (l *layer) put(w Write) {
	if w.End != nil {
		l.writes = append(l.writes, w)
		l.fence = len(l.writes)
		return
	}
	i, known := l.at[string(w.Key)]
	if known && i >= l.fence {
		l.writes[i] = w
		return
	}
	n := len(l.writes)
	l.writes = append(l.writes, w)
	l.at[string(w.Key)] = n
	if !known {
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

// newest reports whether a write is the newest of one row.
func (l *layer) newest(i int) bool { return l.writes[i].Key != nil && l.writes[i].End == nil }

func (l *layer) get(key []byte) (*Write, bool) {
	i, ok := l.at[string(key)]
	if !ok {
		return nil, false
	}
	return &l.writes[i], true
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
