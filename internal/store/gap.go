package store

import (
	"bytes"
	"slices"
)

// gap is a range that was deleted when the delta had that many entries.
type gap struct {
	from, to []byte
	at       int
	// reach is how far this gap, or one before it in the order, goes.
	reach []byte
}

// withGap is gaps with one more, without those that it covers.
func withGap(gaps []gap, from, to []byte, at int) []gap {
	left := make([]gap, 0, len(gaps)+1)
	for _, g := range gaps {
		if bytes.Compare(g.from, from) < 0 || bytes.Compare(g.to, to) > 0 {
			left = append(left, g)
		}
	}
	i, _ := slices.BinarySearchFunc(left, from, func(g gap, from []byte) int { return bytes.Compare(g.from, from) })
	left = slices.Insert(left, i, gap{from: bytes.Clone(from), to: bytes.Clone(to), at: at})
	var reach []byte
	for i := range left {
		if bytes.Compare(left[i].to, reach) > 0 {
			reach = left[i].to
		}
		left[i].reach = reach
	}
	return left
}

// disjoint is the union of gaps. What was written into a gap after it was made
// is told by the gaps themselves.
func disjoint(gaps []gap) (union []gap) {
	for _, g := range gaps {
		n := len(union)
		if n == 0 || bytes.Compare(g.from, union[n-1].to) > 0 {
			union = append(union, g)
			continue
		}
		union[n-1].to = g.reach
	}
	return union
}
