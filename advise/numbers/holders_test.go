package numbers

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// TestLease against crashes and pauses at any moment.
func TestLease(t *testing.T) {
	random := rand.New(rand.NewPCG(15, 1))
	const ttl, renew, poll, pause, n = 10.0, 3.0, 1.0, 8.0, 300_000
	gap, worst, lost := 0.0, 0.0, 0
	for range n {
		since := random.Float64() * renew // since the last renewal
		nobody := ttl - since + random.Float64()*poll
		gap, worst = gap+nobody, max(worst, nobody)
		if since+pause > ttl {
			lost++
		}
	}
	got := run(t, "lease", "drift", "0 %")
	near(t, "mean", got["nobody holds it after a crash, mean"], gap/n, 0.005)
	near(t, "worst", got["nobody holds it after a crash, at most"], worst, 0.005)
	near(t, "lost", got["chance that this pause loses it"], float64(lost)/n, 0.02)
	if got["renewals that may fail in a row"] != 3 || got["pauses that never lose it, up to"] != 7 {
		t.Errorf("%v", got)
	}
	if p := run(t, "lease", "pause", "6.9 s")["chance that this pause loses it"]; p != 0 {
		t.Errorf("a pause of 6.9 s loses it with %v", p)
	}
	if p := run(t, "lease", "pause", "11 s")["chance that this pause loses it"]; p != 1 {
		t.Errorf("a pause of 11 s loses it with %v", p)
	}
}

// TestRefresh against requests that come one by one and toss.
func TestRefresh(t *testing.T) {
	const took, rounds = 0.2, 20_000
	for _, rate := range []float64{5, 50} {
		random := rand.New(rand.NewPCG(16, 1))
		computed, early, before := 0, 0, 0.0
		for range rounds {
			left, until := 20*took, -1e9 // so long before expiry nobody computes
			for first := true; left > until; left -= random.ExpFloat64() / rate {
				if left > 0 && random.ExpFloat64()*took < left {
					continue
				}
				computed++
				if first && left > 0 {
					early, before = early+1, before+left
				}
				if first {
					first, until = false, left-took
				}
			}
		}
		got := run(t, "refresh", "rate", fmt.Sprintf("%v/s", rate), "recompute", "200 ms")
		near(t, "computations", got["computations for one expiry"], float64(computed)/rounds, 0.03)
		near(t, "refreshed early", got["refreshed before expiry"], float64(early)/rounds, 0.03)
		near(t, "before expiry", got["mean time before expiry, if so"], before/float64(early), 0.03)
	}
	near(t, "the closed form of stampede", run(t, "refresh")["mean time before expiry, if so"], run(t, "stampede")["mean time before expiry of the early refresh"], 0.02)
	near(t, "e of them", run(t, "refresh")["computations for one expiry"], math.E, 0.02)
	rare := run(t, "refresh", "rate", "0.5/s", "recompute", "200 ms")
	if rare["refreshed before expiry"] > 0.2 || rare["computations for one expiry"] < 1 {
		t.Errorf("an entry that is rarely asked for: %v", rare)
	}
}
