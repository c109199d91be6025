package numbers

import (
	"math"
	"math/rand/v2"
	"slices"
)

func seed() Input {
	return Input{Name: "seed", Kind: Count, Ask: "seed of the simulation", Example: "1", Most: 1 << 53, Optional: true}
}

// tails are the calculators about answers that are sometimes slow, and about lines that
// are not as regular as queue takes them to be.
var tails = []Calculator{
	{
		Name: "hedge", About: "what a second ask after a while buys, and what it costs",
		Formula: "simulated: an answer takes min(T1, after + T2), a request the longest of n answers; more load = share of T1 over after",
		Source:  "Dean and Barroso, The Tail at Scale, CACM 2013",
		Assumes: []string{"times are log-normal with the given p50 and p99", "the second ask is as quick as the first and independent of it: another copy, and a system that is not overloaded", "20,000 trials"},
		Inputs: []Input{
			count("n", "asked at once", "10", 1, 200), duration("p50", "half of the answers of one are quicker", "10 ms"), duration("p99", "99 % of them are", "200 ms"),
			duration("after", "wait until the second ask", "50 ms"), seed(),
		},
		compute: hedge,
	},
	{
		Name: "timeout", About: "what a timeout cuts off, and what its repetitions add",
		Formula: "slow = share of log-normal times over the timeout; calls = rate x (1 + slow + ... + slow^retries); without IDs each call but the last one of a request that was cut off is done twice",
		Source:  "Brooker, Timeouts, retries and backoff with jitter, Amazon Builders' Library; Helland, Idempotence is not a medical condition, CACM 2012",
		Assumes: []string{"times are log-normal with the given p50 and p99", "what is cut off is done nevertheless", "repetitions are slow independently: in an overload they are not, and it is much worse"},
		Inputs: []Input{
			rate("rate", "requests", "200/s"), duration("p50", "half of the calls are quicker", "10 ms"), duration("p99", "99 % of them are", "200 ms"),
			duration("timeout", "the timeout", "300 ms"), count("retries", "repetitions at most", "3", 0, 100),
		},
		compute: timeout,
	},
	{
		Name: "kingman", About: "how long work waits when arrivals come in bursts, or work varies",
		Formula: "wait = wait of M/M/c x (ca^2 + cs^2) / 2 (Allen-Cunneen; with one server Kingman's)",
		Source:  "Kingman, The single server queue in heavy traffic, 1961; Allen, Probability, Statistics and Queueing Theory, 1990, chapter 5",
		Assumes: []string{
			"exact for one server and Poisson arrivals (Pollaczek-Khinchine), and for M/M/c", "otherwise an approximation that is best when servers are busy; under half load it can be off by a factor",
			"one line, nobody leaves it, and times do not depend on each other",
		},
		Inputs: []Input{
			rate("rate", "arrivals", "800/s"), duration("work", "mean work of one", "2 ms"), count("servers", "servers", "2", 1, 10_000),
			number("ca", "variation of gaps between arrivals: deviation over mean; 1 is Poisson", "2", 0, 100), number("cs", "variation of work: deviation over mean; 0 is constant, 1 exponential", "1.5", 0, 100),
		},
		compute: kingman,
	},
}

// logNormal has the percentiles that were given.
type logNormal struct{ mu, sigma float64 }

// z99 is the 99th percentile of the normal distribution.
const z99 = 2.3263478740408408

func newLogNormal(p50, p99 float64) (logNormal, error) {
	if p99 < p50 {
		return logNormal{}, &Problem{"p99", "it is below p50", "p99 is at least p50; perhaps a unit is wrong"}
	}
	return logNormal{math.Log(p50), math.Log(p99/p50) / z99}, nil
}

// over is the share of times over t.
func (l logNormal) over(t float64) float64 {
	switch {
	case t <= 0:
		return 1
	case l.sigma == 0 && math.Log(t) >= l.mu:
		return 0
	case l.sigma == 0:
		return 1
	}
	return math.Erfc((math.Log(t)-l.mu)/(l.sigma*math.Sqrt2)) / 2
}

func (l logNormal) draw(random *rand.Rand) float64 {
	return math.Exp(l.mu + l.sigma*random.NormFloat64())
}

func hedge(in map[string]float64) ([]Figure, error) {
	times, err := newLogNormal(in["p50"], in["p99"])
	if err != nil {
		return nil, err
	}
	random := rand.New(rand.NewPCG(uint64(in["seed"]), 2))
	plain, hedged, seconds := make([]float64, trials), make([]float64, trials), 0
	for i := range trials {
		for range int(in["n"]) {
			one := times.draw(random)
			both := one
			if one > in["after"] {
				seconds++
				both = min(one, in["after"]+times.draw(random))
			}
			plain[i], hedged[i] = max(plain[i], one), max(hedged[i], both)
		}
	}
	slices.Sort(plain)
	slices.Sort(hedged)
	at := func(sorted []float64, q float64) float64 { return sorted[int(q*trials)] }
	return []Figure{
		figure("p50 of a request", Duration, at(plain, 0.5)), figure("p50 with a second ask", Duration, at(hedged, 0.5)),
		figure("p99 of a request", Duration, at(plain, 0.99)), figure("p99 with a second ask", Duration, at(hedged, 0.99)),
		figure("p999 of a request", Duration, at(plain, 0.999)), figure("p999 with a second ask", Duration, at(hedged, 0.999)),
		figure("more load by the second ask", Share, float64(seconds)/(trials*in["n"])),
	}, nil
}

func timeout(in map[string]float64) ([]Figure, error) {
	times, err := newLogNormal(in["p50"], in["p99"])
	if err != nil {
		return nil, err
	}
	slow := times.over(in["timeout"])
	retries := in["retries"]
	calls := 0.0
	for i := 0.0; i <= retries; i++ {
		calls += math.Pow(slow, i)
	}
	return []Figure{
		figure("calls cut off", Share, slow), figure("calls", Rate, in["rate"]*calls), figure("more load by repetitions", Share, calls-1),
		figure("requests that fail after all", Share, math.Pow(slow, retries+1)), figure("done twice without IDs, in a day", Count, in["rate"]*(calls-1)*86400),
	}, nil
}

func kingman(in map[string]float64) ([]Figure, error) {
	exponential, err := queue(in)
	if err != nil {
		return nil, err
	}
	factor := (in["ca"]*in["ca"] + in["cs"]*in["cs"]) / 2
	wait := exponential[2].Value * factor
	return []Figure{
		exponential[0], figure("beside Poisson arrivals and exponential work", Count, factor), figure("mean wait", Duration, wait),
		figure("mean time, work included", Duration, wait+in["work"]),
	}, nil
}
