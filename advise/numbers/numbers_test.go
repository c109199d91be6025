package numbers

import (
	"errors"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// run computes the example of a calculator with some of it said differently.
func run(t *testing.T, name string, said ...string) map[string]float64 {
	t.Helper()
	c, ok := Lookup(name)
	if !ok {
		t.Fatalf("no calculator is called %s", name)
	}
	in := c.Example()
	for i := 0; i < len(said); i += 2 {
		in[said[i]] = said[i+1]
	}
	figures, err := c.Run(in)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	got := map[string]float64{}
	for _, f := range figures {
		got[f.Name] = f.Value
	}
	return got
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got-want) > tolerance*math.Abs(want)+1e-12 {
		t.Errorf("%s: %v, want %v within %v", what, got, want, tolerance)
	}
}

// TestEveryCalculatorIsExplained: its example runs, the same each time, and it says
// where it comes from and what it takes for granted.
func TestEveryCalculatorIsExplained(t *testing.T) {
	if len(All()) < 24 {
		t.Fatalf("%d calculators", len(All()))
	}
	for _, c := range All() {
		if c.About == "" || c.Formula == "" || c.Source == "" || len(c.Assumes) == 0 || len(c.Inputs) == 0 {
			t.Errorf("%s is not explained", c.Name)
		}
		first, err := c.Run(c.Example())
		if err != nil {
			t.Errorf("%s: its example: %v", c.Name, err)
		}
		again, err := c.Run(c.Example())
		if err != nil || !slices.Equal(first, again) {
			t.Errorf("%s: %v and then %v, %v", c.Name, first, again, err)
		}
		for _, f := range first {
			if math.IsNaN(f.Value) || math.IsInf(f.Value, 0) || f.Text == "" {
				t.Errorf("%s: %+v", c.Name, f)
			}
		}
		for _, in := range c.Inputs {
			said := c.Example()
			delete(said, in.Name)
			var p *Problem
			if _, err := c.Run(said); !in.Optional && (!errors.As(err, &p) || p.Input != in.Name || !strings.Contains(p.Do, in.Example)) {
				t.Errorf("%s without %s: %v", c.Name, in.Name, err)
			}
		}
	}
}

func TestBadInputs(t *testing.T) {
	for _, c := range []struct {
		name, input, text, word string
	}{
		{"queue", "work", "2", "duration"},
		{"queue", "work", "two ms", "duration"},
		{"queue", "rate", "0/s", "outside"},
		{"queue", "rate", "800 ms", "rate"},
		{"queue", "rate", "2000/s", "200 %"},
		{"fanout", "slow", "120 %", "outside"},
		{"fanout", "slow", "-1 %", "outside"},
		{"fanout", "n", "1e9", "outside"},
		{"quorum", "w", "5", "more copies"},
		{"available", "needed", "7", "needed"},
		{"quorum", "x", "1", "no input"},
		{"stale", "seed", "", "count"},
		{"quorum", "n", "2.5", "not whole"},
		{"hedge", "p50", "900 ms", "below p50"},
		{"timeout", "p99", "1 ms", "below p50"},
		{"quorum", "standins", "3", "at most w"},
		{"lease", "renew", "10 s", "shorter"},
		{"kingman", "rate", "2000/s", "200 %"},
		{"budget", "target", "100 %", "outside"},
		{"zipf", "skew", "1 %", "number"},
		{"capacity", "disk", "2 pounds", "size"},
		{"sync", "sync", "NaN s", "duration"},
	} {
		calc, _ := Lookup(c.name)
		said := calc.Example()
		said[c.input] = c.text
		_, err := calc.Run(said)
		var p *Problem
		if !errors.As(err, &p) || !strings.Contains(p.Error(), c.word) || p.Do == "" {
			t.Errorf("%s with %s=%s: %v", c.name, c.input, c.text, err)
		}
	}
}

func TestQuorum(t *testing.T) {
	for _, c := range []struct {
		n, w, r string
		meets   float64
	}{{"3", "2", "2", 1}, {"3", "1", "2", 0}, {"3", "3", "1", 1}, {"5", "2", "3", 0}, {"5", "3", "3", 1}, {"1", "1", "1", 1}} {
		got := run(t, "quorum", "n", c.n, "w", c.w, "r", c.r)
		if got["reads meet the newest write (1 is yes)"] != c.meets {
			t.Errorf("n=%s w=%s r=%s: %v", c.n, c.w, c.r, got)
		}
	}
	if got := run(t, "quorum"); got["failures that writes tolerate"] != 1 || got["overlap"] != 1 {
		t.Errorf("2 of 3: %v", got)
	}
}

// TestStale: quorums that meet miss nothing; others miss less the longer one waits,
// and where reading takes no time, what one computes by hand.
func TestStale(t *testing.T) {
	const name = "reads that miss the write"
	if got := run(t, "stale", "w", "2", "r", "2"); got[name] != 0 {
		t.Errorf("quorums that meet miss %v", got[name])
	}
	at := func(after string) float64 {
		return run(t, "stale", "w", "1", "r", "1", "after", after)[name]
	}
	if soon, late := at("0 ms"), at("20 ms"); soon < 0.2 || late > soon/4 {
		t.Errorf("at once %v, after 20 ms %v", soon, late)
	}
	// Where reading takes no time, a read asks either of two copies, and misses the
	// write if it has not arrived there when the first answer to it was back: counted
	// here in another way.
	random := rand.New(rand.NewPCG(7, 7))
	missed := 0
	const n = 200_000
	for range n {
		w := [2]float64{random.ExpFloat64(), random.ExpFloat64()}
		ack := min(w[0]+random.ExpFloat64(), w[1]+random.ExpFloat64())
		if w[random.IntN(2)] > ack {
			missed++
		}
	}
	got := run(t, "stale", "n", "2", "w", "1", "r", "1", "write", "1 s", "read", "1 us")
	if p := float64(missed) / n; p < got["at least"]-0.005 || p > got["at most"]+0.005 {
		t.Errorf("simulated %v to %v, counted %v", got["at least"], got["at most"], p)
	}
}

// TestQueue against the closed form for one server, and against a simulated line
// for several.
func TestQueue(t *testing.T) {
	one := run(t, "queue", "rate", "80/s", "work", "10 ms", "servers", "1")
	near(t, "one server", one["mean wait"], 0.8/(100-80), 1e-9)
	near(t, "p99 of one server", one["p99 of the wait"], math.Log(0.8/0.01)/20, 1e-9)
	const servers, rate, work = 3, 2.5, 1.0
	random := rand.New(rand.NewPCG(3, 3))
	var free [servers]float64
	now, total := 0.0, 0.0
	const customers = 2_000_000
	for range customers {
		now += random.ExpFloat64() / rate
		i := 0
		for k := range free {
			if free[k] < free[i] {
				i = k
			}
		}
		begin := max(now, free[i])
		total += begin - now
		free[i] = begin + random.ExpFloat64()*work
	}
	got := run(t, "queue", "rate", "2.5/s", "work", "1 s", "servers", "3")
	near(t, "three servers", got["mean wait"], total/customers, 0.03)
}

func TestTailsAndParts(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 5))
	slow, up := 0, 0
	const n = 100_000
	for range n {
		any := false
		for range 20 {
			any = any || random.Float64() < 0.02
		}
		if any {
			slow++
		}
		alive := 0
		for range 5 {
			if random.Float64() < 0.9 {
				alive++
			}
		}
		if alive >= 3 {
			up++
		}
	}
	near(t, "fan-out", run(t, "fanout", "n", "20", "slow", "2 %")["slow requests"], float64(slow)/n, 0.02)
	near(t, "the published case", run(t, "fanout", "n", "100", "slow", "1 %")["slow requests"], 0.634, 0.001)
	near(t, "copies", run(t, "available", "each", "90 %", "copies", "5", "needed", "3")["enough copies"], float64(up)/n, 0.01)
	near(t, "parts", run(t, "available", "each", "99 %", "parts", "3")["all parts in a row"], 0.970299, 1e-9)
}

func TestPlainArithmetic(t *testing.T) {
	for _, c := range []struct {
		name, figure string
		said         []string
		want         float64
	}{
		{"little", "under way", nil, 100},
		{"duplicates", "duplicates", []string{"unknown", "50 %", "retries", "2"}, 200 * 0.75},
		{"retries", "calls of the last layer for one request", nil, 64},
		{"stampede", "computations at once without coalescing", nil, 101},
		{"sync", "gathered", []string{"sync", "1 ms", "batch", "50", "work", "10 us"}, 50_000},
		{"sync", "gathered", []string{"sync", "1 ms", "batch", "500", "work", "10 us"}, 100_000},
		{"distance", "round trip", []string{"km", "10000", "detour", "100 %"}, 0.1},
		{"capacity", "days until full", []string{"disk", "1 TB", "usable", "50 %", "data", "100 GB", "growth", "10 GB", "copies", "1"}, 40},
		{"capacity", "days until full", []string{"data", "3 TB"}, 0},
	} {
		near(t, c.name, run(t, c.name, c.said...)[c.figure], c.want, 1e-9)
	}
}

// slow is true of simulations.
func (c Calculator) slow() bool {
	return slices.ContainsFunc(c.Inputs, func(in Input) bool { return in.Name == "seed" })
}

func TestText(t *testing.T) {
	for _, c := range []struct {
		kind Kind
		v    float64
		want string
	}{
		{Share, 1, "100 %"},
		{Share, 0.5, "50 %"},
		{Share, 0.999997, "99.9997 %"},
		{Share, 0.99999999, "99.999999 %"},
		{Share, 0.99995, "99.995 %"},
		{Share, 1.2, "120 %"},
		{Duration, 2591.9999999, "43m12s"},
		{Duration, 0.0022, "2.2ms"},
		{Duration, 0, "0 s"},
		{Duration, 1e10, "1e+10 s"},
		{Size, 1.25e6, "1.25 MB"},
		{Rate, 0.5, "0.5/s"},
	} {
		if got := say(c.kind, c.v); got != c.want {
			t.Errorf("%v as %s is %q, want %q", c.v, c.kind, got, c.want)
		}
	}
}

func FuzzRun(f *testing.F) {
	f.Add("queue", "work", "2 ms")
	f.Add("quorum", "n", "3")
	f.Add("collision", "ids", "1e30")
	f.Fuzz(func(t *testing.T, name, input, text string) {
		c, ok := Lookup(name)
		if !ok {
			return
		}
		said := maps.Clone(c.Example())
		said[input] = text
		if c.slow() {
			return // they are tested with seeds; here they would only take long
		}
		figures, err := c.Run(said)
		for _, one := range figures {
			if err != nil || math.IsNaN(one.Value) || math.IsInf(one.Value, 0) {
				t.Errorf("%s with %s=%q: %+v, %v", name, input, text, one, err)
			}
		}
	})
}
