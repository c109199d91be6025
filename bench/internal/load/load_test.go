package load

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		of   []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := Median(c.of); got != c.want {
			t.Errorf("the median of %v is %v, want %v", c.of, got, c.want)
		}
	}
}

// TestGaps: the mean is that of the rate, and the share of gaps longer than the
// mean is 1/e, as in no other distribution that is easily taken for it.
func TestGaps(t *testing.T) {
	const n, rate = 200_000, 5000.0
	gap := Gaps(rate, 1)
	var total time.Duration
	longer := 0
	for range n {
		d := gap()
		total += d
		if d.Seconds() > 1/rate {
			longer++
		}
	}
	if mean := total.Seconds() / n; math.Abs(mean*rate-1) > 0.02 {
		t.Errorf("the mean gap is %.1f µs, want %.1f", mean*1e6, 1e6/rate)
	}
	if share := float64(longer) / n; math.Abs(share-1/math.E) > 0.01 {
		t.Errorf("%.3f of the gaps are longer than the mean, want %.3f", share, 1/math.E)
	}
	if a, b := Gaps(rate, 1)(), Gaps(rate, 1)(); a != b {
		t.Errorf("one seed gave %v and %v", a, b)
	}
}

// TestCoordinatedOmission: a system that stalls for a second and is fast before
// and after. Those who arrived during the stall have waited for it, though each
// call by itself was fast but one: latency counted from the start of a call
// would show a p99 of nothing.
func TestCoordinatedOmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var began sync.Once
		served := NewRecorder() // what would be measured from the start of a call
		o, err := Open{Rate: 1000, For: 4 * time.Second, Clients: 1, Seed: 7, Wait: time.Sleep}.Run(t.Context(),
			func(context.Context, int) error {
				from := time.Now()
				began.Do(func() { time.Sleep(time.Second) })
				served.Record(0, time.Since(from))
				return nil
			})
		if err != nil {
			t.Fatal(err)
		}
		if o.Ops < 3600 || o.Ops > 4400 {
			t.Fatalf("%d arrivals in 4 s at 1,000 per second", o.Ops)
		}
		// About a quarter of all arrivals waited, evenly between 0 and 1 s.
		if p99 := o.Latencies.Quantile(0.99); p99 < 900*time.Millisecond || p99 > time.Second {
			t.Errorf("p99 is %v: the wait of those who arrived during the stall is left out", p99)
		}
		if p80 := o.Latencies.Quantile(0.80); p80 < 100*time.Millisecond {
			t.Errorf("p80 is %v, want the wait of about a fifth of a second", p80)
		}
		if p99 := served.Latencies().Quantile(0.99); p99 > time.Millisecond {
			t.Errorf("measured from the start of a call p99 is %v: this test cannot tell the two apart", p99)
		}
	})
}

// TestClosedCountsTheWindow: what is answered while warming up does not count.
func TestClosedCountsTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls, opened, shut atomic.Int64
		note := func(n *atomic.Int64) func() error {
			return func() error { n.Store(calls.Load()); return nil }
		}
		c := Closed{Clients: 3, Warm: 95 * time.Millisecond, For: time.Second, Opened: note(&opened), Shut: note(&shut)}
		o, err := c.Run(t.Context(), func(context.Context, int) error {
			time.Sleep(10 * time.Millisecond)
			calls.Add(1)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if o.Ops != 300 || o.Elapsed != time.Second || o.Latencies.Count() != 300 || o.Rate() != 300 {
			t.Errorf("%d operations in %v, %d latencies, want 300 in 1s", o.Ops, o.Elapsed, o.Latencies.Count())
		}
		if opened.Load() != 27 || shut.Load() != 327 {
			t.Errorf("the window was open from call %d to %d, want 27 to 327", opened.Load(), shut.Load())
		}
		if p50 := o.Latencies.Quantile(0.5); p50 < 9900*time.Microsecond || p50 > 10100*time.Microsecond {
			t.Errorf("p50 is %v, want 10ms", p50)
		}
	})
}

// TestErrorsEndTheRun: a failed call is never a fast one.
func TestErrorsEndTheRun(t *testing.T) {
	failed := errors.New("failed")
	var calls atomic.Int64
	call := func(context.Context, int) error {
		if calls.Add(1) == 10 {
			return failed
		}
		return nil
	}
	if _, err := (Closed{Clients: 2, For: time.Minute}).Run(t.Context(), call); !errors.Is(err, failed) {
		t.Errorf("a closed loop ended with %v", err)
	}
	calls.Store(0)
	if _, err := (Open{Rate: 10_000, Clients: 2, For: time.Minute}).Run(t.Context(), call); !errors.Is(err, failed) {
		t.Errorf("an open loop ended with %v", err)
	}
}

func TestLatenciesTravel(t *testing.T) {
	r := NewRecorder()
	for i := range 1000 {
		r.Record(i, time.Duration(i+1)*time.Millisecond)
	}
	r.Record(0, time.Hour)
	b, err := json.Marshal(r.Latencies())
	if err != nil {
		t.Fatal(err)
	}
	arrived := NewLatencies()
	if err := json.Unmarshal(b, arrived); err != nil {
		t.Fatal(err)
	}
	arrived.Add(r.Latencies())
	if arrived.Count() != 2002 {
		t.Errorf("%d latencies, want twice 1001", arrived.Count())
	}
	for q, want := range map[float64]time.Duration{0.5: 500 * time.Millisecond, 0.99: 990 * time.Millisecond, 1: time.Minute} {
		if got := arrived.Quantile(q); got < want*99/100 || got > want*102/100 {
			t.Errorf("quantile %v is %v, want about %v", q, got, want)
		}
	}
}
