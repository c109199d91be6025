package store

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
	"sort"
	"sync"
)

// order is the groups of a delta by key, each kind for itself, made when somebody
// asks for a range of that kind: most groups never are. A group is named by its
// first entry.
type order struct {
	mu      sync.Mutex
	settled int // entries looked at
	kinds   [256]struct {
		fresh []uint32   // groups that no run has
		runs  [][]uint32 // each in order, and at most half as long as the one before
	}
}

// runs are all groups of a kind that the first n entries have, in a few ordered
// runs that do not change any more. They may have later groups too.
func (d *delta) runs(kind byte, n int) [][]uint32 {
	o := &d.order
	o.mu.Lock()
	defer o.mu.Unlock()
	for ; o.settled < n; o.settled++ {
		if d.entry(o.settled).before == 0 {
			k := &o.kinds[d.key(o.settled)[0]]
			k.fresh = append(k.fresh, uint32(o.settled))
		}
	}
	k := &o.kinds[kind]
	if len(k.fresh) == 0 {
		return k.runs
	}
	runs := append(slices.Clone(k.runs), d.sorted(k.fresh))
	for l := len(runs); l > 1 && 2*len(runs[l-1]) > len(runs[l-2]); l-- {
		runs = append(runs[:l-2], d.merge(runs[l-2], runs[l-1]))
	}
	k.runs, k.fresh = runs, nil
	return runs
}

// whole is all groups of a delta that is full, in order.
func (d *delta) whole() (all []uint32) {
	for kind := range len(d.order.kinds) {
		var own []uint32
		for _, run := range d.runs(byte(kind), d.count) {
			own = d.merge(own, run)
		}
		all = append(all, own...)
	}
	return all
}

func (d *delta) compare(a, b uint32) int { return bytes.Compare(d.group(int(a)), d.group(int(b))) }

// part is eight bytes of the key of a group, from where all before is the same.
type part struct {
	bytes uint64
	left  int // bytes from there on, and at most partBytes+1
	group uint32
}

const partBytes = 8

// sorted puts groups of one kind in the order of their keys. The keys lie all
// over the arena: eight bytes at a time, each is fetched once and not once for
// every comparison.
func (d *delta) sorted(groups []uint32) []uint32 {
	parts := make([]part, len(groups))
	for i, g := range groups {
		parts[i].group = g
	}
	d.sortFrom(1, parts)
	for i := range parts {
		groups[i] = parts[i].group
	}
	return groups
}

func (d *delta) sortFrom(at int, parts []part) {
	for i := range parts {
		p := &parts[i]
		var bytes [partBytes]byte
		rest := d.group(int(p.group))[at:]
		copy(bytes[:], rest)
		p.bytes, p.left = binary.BigEndian.Uint64(bytes[:]), min(len(rest), partBytes+1)
	}
	slices.SortFunc(parts, func(a, b part) int { return cmp.Or(cmp.Compare(a.bytes, b.bytes), cmp.Compare(a.left, b.left)) })
	for len(parts) > 0 {
		same := 1
		for same < len(parts) && parts[same].bytes == parts[0].bytes && parts[same].left > partBytes && parts[0].left > partBytes {
			same++
		}
		if same > 1 {
			d.sortFrom(at+partBytes, parts[:same])
		}
		parts = parts[same:]
	}
}

func (d *delta) merge(a, b []uint32) []uint32 {
	if len(a) == 0 || len(b) == 0 {
		return append(a[:len(a):len(a)], b...)
	}
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
	for kind := firstKind(from); kind <= lastKind(to); kind++ {
		w.add(d.runs(byte(kind), n))
	}
	return w
}

// firstKind and lastKind are the first and last byte that a row of a range may
// begin with.
func firstKind(from []byte) int {
	if len(from) == 0 {
		return 0
	}
	return int(from[0])
}

func lastKind(to []byte) int {
	switch len(to) {
	case 0:
		return 255
	case 1:
		return int(to[0]) - 1
	default:
		return int(to[0])
	}
}

// add adds what runs have in the range.
func (w *walk) add(runs [][]uint32) {
	d, from, to := w.d, w.from, w.to
	for _, run := range runs {
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
