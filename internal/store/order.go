package store

import (
	"bytes"
	"slices"
	"sort"
	"sync"
)

// order is the groups of a delta by key, made when somebody asks for a range:
// most groups never are. A group is named by its first entry.
type order struct {
	mu      sync.Mutex
	settled int        // entries looked at
	runs    [][]uint32 // each in order, and at most half as long as the one before
}

// runs are all groups that the first n entries have, in a few ordered runs
// that do not change any more. They may have later groups too.
func (d *delta) runs(n int) [][]uint32 {
	o := &d.order
	o.mu.Lock()
	defer o.mu.Unlock()
	var fresh []uint32
	for ; o.settled < n; o.settled++ {
		if d.entry(o.settled).before == 0 {
			fresh = append(fresh, uint32(o.settled))
		}
	}
	if len(fresh) == 0 {
		return o.runs
	}
	slices.SortFunc(fresh, d.compare)
	runs := append(slices.Clone(o.runs), fresh)
	for l := len(runs); l > 1 && 2*len(runs[l-1]) > len(runs[l-2]); l-- {
		runs = append(runs[:l-2], d.merge(runs[l-2], runs[l-1]))
	}
	o.runs = runs
	return runs
}

// whole is all groups of a delta that is full, in order.
func (d *delta) whole() []uint32 {
	var all []uint32
	for _, run := range d.runs(d.count) {
		all = d.merge(all, run)
	}
	return all
}

func (d *delta) compare(a, b uint32) int { return bytes.Compare(d.group(int(a)), d.group(int(b))) }

func (d *delta) merge(a, b []uint32) []uint32 {
	merged := make([]uint32, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if d.compare(a[0], b[0]) < 0 {
			merged, a = append(merged, a[0]), a[1:]
		} else {
			merged, b = append(merged, b[0]), b[1:]
		}
	}
	return append(append(merged, a...), b...)
}

// walk goes through the rows of a delta, as of n entries, with from <= key < to,
// up or down.
type walk struct {
	d        *delta
	n        int
	from, to []byte
	back     bool
	runs     [][]uint32 // what is left of each
	rows     []int      // entries of the group that the walk is in, the next one last
}

func (d *delta) walk(n int, from, to []byte, back bool) *walk {
	w := &walk{d: d, n: n, from: from, to: to, back: back}
	for _, run := range d.runs(n) {
		first := sort.Search(len(run), func(i int) bool { return bytes.Compare(d.group(int(run[i])), from) >= 0 })
		// The versions of one key may lie on both sides of from.
		if first > 0 && bytes.HasPrefix(from, d.group(int(run[first-1]))) {
			first--
		}
		last := len(run)
		if to != nil {
			last = sort.Search(len(run), func(i int) bool { return bytes.Compare(d.group(int(run[i])), to) >= 0 })
		}
		if first < last {
			w.runs = append(w.runs, run[first:last])
		}
	}
	return w
}

// row is the entry that the walk is at, or -1 at its end.
func (w *walk) row() int {
	for len(w.rows) == 0 {
		if !w.enter() {
			return -1
		}
	}
	return w.rows[len(w.rows)-1]
}

func (w *walk) next() { w.rows = w.rows[:len(w.rows)-1] }

// enter goes to the next group.
func (w *walk) enter() bool {
	best := -1
	for r, run := range w.runs {
		if len(run) == 0 {
			continue
		}
		if best < 0 || (w.d.compare(w.head(run), w.head(w.runs[best])) < 0) != w.back {
			best = r
		}
	}
	if best < 0 {
		return false
	}
	run := w.runs[best]
	newest := w.d.find(w.d.group(int(w.head(run))), w.n)
	if w.back {
		w.runs[best] = run[:len(run)-1]
	} else {
		w.runs[best] = run[1:]
	}
	w.rows = w.d.rowsOf(w.rows[:0], newest, w.from, w.to)
	// The newest version has the lowest key.
	if !w.back {
		slices.Reverse(w.rows)
	}
	return true
}

func (w *walk) head(run []uint32) uint32 {
	if w.back {
		return run[len(run)-1]
	}
	return run[0]
}

// rowsOf appends the entries of a chain with from <= key < to that are not
// overwritten.
func (d *delta) rowsOf(rows []int, newest int, from, to []byte) []int {
	var above []byte
	for i := newest; i >= 0; i = d.before(i) {
		key := d.key(i)
		if above != nil && bytes.Equal(key, above) {
			continue
		}
		above = key
		if bytes.Compare(key, from) >= 0 && (to == nil || bytes.Compare(key, to) < 0) {
			rows = append(rows, i)
		}
	}
	return rows
}
