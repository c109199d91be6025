package tally

import (
	"math"
	"sync"
	"testing"
)

// TestBuckets: each bucket ends with its power of two, and the last one takes all
// that is above.
func TestBuckets(t *testing.T) {
	for v, want := range map[int64]int{
		math.MinInt64: 0, -1: 0, 0: 0, 1: 0, 2: 1, 3: 2, 4: 2, 5: 3, 1024: 10, 1025: 11,
		1 << (Buckets - 2): Buckets - 2, 1<<(Buckets-2) + 1: Buckets - 1, math.MaxInt64: Buckets - 1,
	} {
		var h Histogram
		h.Observe(v)
		c := h.Counts()
		if c.Buckets[want] != 1 || c.Count() != 1 || c.Sum != max(v, 0) {
			t.Errorf("%d is counted as %+v, want bucket %d", v, c, want)
		}
	}
}

func TestCountsAdd(t *testing.T) {
	var a, b Histogram
	a.Observe(3)
	b.Observe(3)
	b.Observe(100)
	sum, more := a.Counts(), b.Counts()
	sum.Add(&more)
	if sum.Sum != 106 || sum.Count() != 3 || sum.Buckets[2] != 2 || sum.Buckets[7] != 1 {
		t.Errorf("together %+v", sum)
	}
}

// TestObserveFromMany: nothing is lost between goroutines.
func TestObserveFromMany(t *testing.T) {
	const goroutines, each = 8, 1000
	var h Histogram
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for range each {
				h.Observe(7)
			}
		})
	}
	all.Wait()
	c := h.Counts()
	if c.Count() != goroutines*each || c.Sum != 7*goroutines*each {
		t.Errorf("%d numbers with the sum %d", c.Count(), c.Sum)
	}
}
