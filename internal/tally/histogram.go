// Package tally counts what happens, cheaply enough to be always on: it knows no
// system of metrics, and whoever asks turns its numbers into that.
package tally

import (
	"math/bits"
	"sync/atomic"
)

// Buckets is how many a histogram has, one per power of two. The last one takes
// everything above 2^(Buckets-2): as nanoseconds, nineteen hours.
const Buckets = 48

// Histogram counts whole numbers by powers of two. The zero Histogram is empty and
// ready. Observing is two atomic additions.
type Histogram struct {
	sum     atomic.Int64
	buckets [Buckets]atomic.Uint64
}

// Observe counts one number; a negative one counts as 0.
func (h *Histogram) Observe(v int64) {
	v = max(v, 0)
	h.buckets[min(bucketOf(v), Buckets-1)].Add(1)
	h.sum.Add(v)
}

// bucketOf is the least i with v ≤ 2^i.
func bucketOf(v int64) int {
	if v <= 1 {
		return 0
	}
	return bits.Len64(uint64(v - 1))
}

// Counts is a histogram at one moment. While numbers are observed, its parts may
// be of moments that differ by as little as reading them takes.
type Counts struct {
	Sum int64
	// Buckets[i] counts numbers above 2^(i-1) and up to 2^i.
	Buckets [Buckets]uint64
}

// Counts reads the histogram.
func (h *Histogram) Counts() (c Counts) {
	c.Sum = h.sum.Load()
	for i := range h.buckets {
		c.Buckets[i] = h.buckets[i].Load()
	}
	return c
}

// Count is how many numbers were observed.
func (c *Counts) Count() (n uint64) {
	for _, b := range c.Buckets {
		n += b
	}
	return n
}

// Add adds what another histogram has counted.
func (c *Counts) Add(o *Counts) {
	c.Sum += o.Sum
	for i, b := range o.Buckets {
		c.Buckets[i] += b
	}
}
