package numbers

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// tailOf is the time that a request of n answers, each with a second ask, exceeds with
// chance q: solved from the closed form, by halving.
func tailOf(l logNormal, n, after, q float64) float64 {
	low, high := 1e-9, 1e9
	for range 200 {
		t := math.Sqrt(low * high)
		one := l.over(t)
		if t > after {
			one *= l.over(t - after)
		}
		if 1-math.Pow(1-one, n) > q {
			low = t
		} else {
			high = t
		}
	}
	return low
}

// TestHedge against the closed form, with and without a second ask.
func TestHedge(t *testing.T) {
	l, err := newLogNormal(0.010, 0.200)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "p50 of one", l.over(0.010), 0.5, 1e-9)
	near(t, "p99 of one", l.over(0.200), 0.01, 1e-6)
	for _, n := range []float64{1, 10, 100} {
		got := run(t, "hedge", "n", fmt.Sprint(n))
		for name, want := range map[string]float64{
			"p50 of a request": tailOf(l, n, 1e12, 0.5), "p50 with a second ask": tailOf(l, n, 0.050, 0.5),
			"p99 of a request": tailOf(l, n, 1e12, 0.01), "p99 with a second ask": tailOf(l, n, 0.050, 0.01),
		} {
			near(t, fmt.Sprintf("n=%v %s", n, name), got[name], want, 0.15)
		}
		near(t, "more load", got["more load by the second ask"], l.over(0.050), 0.06)
	}
	if got := run(t, "hedge", "p50", "5 ms", "p99", "5 ms"); got["p99 of a request"] != got["p50 with a second ask"] {
		t.Errorf("without a tail: %v", got)
	}
}

// TestTimeout against requests that are repeated one by one.
func TestTimeout(t *testing.T) {
	random := rand.New(rand.NewPCG(12, 1))
	l, err := newLogNormal(0.010, 0.200)
	if err != nil {
		t.Fatal(err)
	}
	const requests, retries = 300_000, 3
	calls, cut, failed := 0, 0, 0
	for range requests {
		for try := 0; ; try++ {
			calls++
			if l.draw(random) <= 0.050 {
				break
			}
			cut++
			if try == retries {
				failed++
				break
			}
		}
	}
	got := run(t, "timeout", "timeout", "50 ms")
	near(t, "cut off", got["calls cut off"], float64(cut)/float64(calls), 0.02)
	near(t, "more load", got["more load by repetitions"], float64(calls)/requests-1, 0.02)
	near(t, "failed", got["requests that fail after all"], float64(failed)/requests, 0.15)
}

// line simulates one line before servers, and is the mean wait.
func line(servers, customers int, gap, work func() float64) float64 {
	free := make([]float64, servers)
	now, total := 0.0, 0.0
	for range customers {
		now += gap()
		i := 0
		for k := range free {
			if free[k] < free[i] {
				i = k
			}
		}
		begin := max(now, free[i])
		total += begin - now
		free[i] = begin + work()
	}
	return total / float64(customers)
}

// TestKingman where it is exact, and against a simulated line where it is not.
func TestKingman(t *testing.T) {
	constant := run(t, "kingman", "rate", "80/s", "work", "10 ms", "servers", "1", "ca", "1", "cs", "0")
	near(t, "M/D/1", constant["mean wait"], 0.8*0.010/(2*0.2), 1e-9) // Pollaczek and Khinchine
	plain := run(t, "queue", "rate", "800/s", "work", "2 ms", "servers", "2")
	near(t, "M/M/2", run(t, "kingman", "ca", "1", "cs", "1")["mean wait"], plain["mean wait"], 1e-9)
	random := rand.New(rand.NewPCG(13, 1))
	// Gaps: Erlang with two stages, ca^2 = 1/2. Work: one of two exponentials, cs^2 = 3.
	gap := func() float64 { return (random.ExpFloat64() + random.ExpFloat64()) / 2 / 2.7 }
	const p = 0.8535533905932737 // balanced means, so that cs^2 = 1/(2p(1-p)) - 1 = 3
	work := func() float64 {
		if random.Float64() < p {
			return random.ExpFloat64() / (2 * p)
		}
		return random.ExpFloat64() / (2 * (1 - p))
	}
	got := run(t, "kingman", "rate", "2.7/s", "work", "1 s", "servers", "3", "ca", fmt.Sprint(math.Sqrt(0.5)), "cs", fmt.Sprint(math.Sqrt(3)))
	near(t, "G/G/3 at 90 %", got["mean wait"], line(3, 1_500_000, gap, work), 0.15)
}
