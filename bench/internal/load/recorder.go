// Package load calls something as fast as it answers, or as often as asked,
// and records how long each call took.
package load

import (
	"fmt"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A latency is recorded in nanoseconds with three digits, up to a minute.
const (
	longest = int64(time.Minute)
	digits  = 3
	shards  = 16
)

// Recorder collects latencies from many goroutines.
type Recorder struct{ shard [shards]shard }

type shard struct {
	mu sync.Mutex
	h  *hdrhistogram.Histogram
	_  [40]byte // a cache line of its own
}

// NewRecorder makes an empty one.
func NewRecorder() *Recorder {
	r := &Recorder{}
	for i := range r.shard {
		r.shard[i].h = newHistogram()
	}
	return r
}

func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, longest, digits) }

// Record adds one latency. What is longer than a minute counts as a minute.
func (r *Recorder) Record(client int, d time.Duration) {
	s := &r.shard[client%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.h.RecordValue(min(max(1, int64(d)), longest)) // within its bounds by construction
}

// Latencies is everything recorded.
func (r *Recorder) Latencies() *Latencies {
	l := NewLatencies()
	for i := range r.shard {
		s := &r.shard[i]
		s.mu.Lock()
		l.h.Merge(s.h)
		s.mu.Unlock()
	}
	return l
}

// Latencies is a distribution that can be added to others and sent elsewhere.
type Latencies struct{ h *hdrhistogram.Histogram }

// NewLatencies makes an empty one.
func NewLatencies() *Latencies { return &Latencies{h: newHistogram()} }

// Add adds another distribution.
func (l *Latencies) Add(o *Latencies) { l.h.Merge(o.h) }

// Count is how many latencies there are.
func (l *Latencies) Count() int64 { return l.h.TotalCount() }

// Quantile is the latency that a share q of all, between 0 and 1, do not exceed.
func (l *Latencies) Quantile(q float64) time.Duration {
	return time.Duration(l.h.ValueAtQuantile(q * 100))
}

// MarshalText is the compressed form of HdrHistogram.
func (l *Latencies) MarshalText() ([]byte, error) {
	return l.h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
}

// UnmarshalText reads it.
func (l *Latencies) UnmarshalText(b []byte) error {
	h, err := hdrhistogram.Decode(b)
	if err != nil {
		return fmt.Errorf("load: a histogram: %w", err)
	}
	l.h = newHistogram()
	l.h.Merge(h)
	return nil
}
