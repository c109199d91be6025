package main

import (
	"strings"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem/bench/internal/load"
)

// TestSum: the rate is the median of the rounds, the rest is of all of them, and so are
// the quantiles: of 900 answers in 1 ms and of 300 in 5 ms, a round each, the median of
// the rounds would be 3 ms.
func TestSum(t *testing.T) {
	second := func(ops int64, peak int64) Figure {
		return Figure{Ops: ops, Elapsed: time.Second, CPU: 10 * time.Millisecond, Of: "x", Written: 4000, Flushes: 7, Extra: Extra{PeakRSS: peak}}
	}
	r := sum("x", 1, []Figure{second(100, 5), second(300, 9), second(200, 7)})
	if r.OpsPerS != 200 || *r.CPUPerOp != 50 || *r.BytesPerOp != 20 || *r.DeviceFlushesPerS != 7 || r.PeakRSS != 9 || r.P50 != nil {
		t.Errorf("%+v", r)
	}
	answers := func(n int, each time.Duration) Figure {
		l := load.NewRecorder()
		for i := range n {
			l.Record(i, each)
		}
		return Figure{Ops: int64(n), Elapsed: time.Second, CPU: time.Second, Latencies: l.Latencies(), Extra: Extra{PerCPUSecond: float64(n), WritePause: us(float64(n))}}
	}
	r = sum("x", 1, []Figure{answers(900, time.Millisecond), answers(300, 5*time.Millisecond)})
	within := func(got *float64, want float64) bool { return got != nil && *got > want*0.99 && *got < want*1.01 }
	if !within(r.P50, 1000) || !within(r.P99, 5000) || !within(r.P999, 5000) || r.PerCPUSecond != 600 || *r.WritePause != 900 {
		t.Errorf("p50 %v, p99 %v, p999 %v, %v/s of processor time, pause %v", *r.P50, *r.P99, *r.P999, r.PerCPUSecond, *r.WritePause)
	}
}

// TestGrowthIsJudged: sizes that rise and fall with the ring are flat, the same on
// a slope are not, and a short run says so.
func TestGrowthIsJudged(t *testing.T) {
	sizes := func(n int, slope float64) *Growth {
		g := &Growth{EverySeconds: 60, TurnSeconds: 900}
		for i := range n {
			g.Tables = append(g.Tables, int64(1e9*(1+0.5*float64(i%15)/15)+slope*1e9*float64(i)/15))
			g.Indexes = append(g.Indexes, 0)
		}
		g.judge()
		return g
	}
	if g := sizes(61, 0); g.Flat == nil || !*g.Flat || *g.Slope != 0 {
		t.Errorf("sizes that come back: %s", g)
	}
	if g := sizes(61, 0.2); g.Flat == nil || *g.Flat {
		t.Errorf("sizes that grow by a fifth each turn: %s", g)
	}
	if g := sizes(40, 0); g.Flat != nil || !strings.Contains(g.String(), "too short") {
		t.Errorf("a run of 40 minutes: %s", g)
	}
}

// TestRecordSizesAreNeverNegative: records of thousands of transactions that
// differ little put the line's beginning anywhere.
func TestRecordSizesAreNeverNegative(t *testing.T) {
	var f fit
	f.add(4000, 700_000)
	f.add(4100, 741_000)
	if r := f.record(); r.Base < 0 || r.Base+r.Each < 1 {
		t.Errorf("a record of one transaction has %.0f + %.0f bytes", r.Base, r.Each)
	}
	f = fit{}
	f.add(1, 400)
	f.add(100, 20_200)
	if r := f.record(); r.Base != 200 || r.Each != 200 {
		t.Errorf("200 bytes and 200 for each are found as %.0f and %.0f", r.Base, r.Each)
	}
}
