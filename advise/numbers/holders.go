package numbers

import (
	"math"
	"math/rand/v2"
)

// holders are the calculators about leases, and about entries of a cache that are
// renewed in time.
var holders = []Calculator{
	{
		Name: "lease", About: "how long nobody holds a lease after a crash, and which pauses lose it",
		Formula: "nobody: ttl - renew/2 + poll/2 on average, ttl + poll at most; a pause under (ttl - renew) x (1 - drift) never loses it, one over ttl always; between, (pause - (ttl - renew)) / renew",
		Source:  "Gray and Cheriton, Leases, SOSP 1989; Kleppmann, Designing Data-Intensive Applications, chapter 8, Process pauses",
		Assumes: []string{"a crash, and a pause, begin at any moment of the interval", "whoever waits asks every poll", "a holder that lost it does not know: without a fencing token it writes nevertheless"},
		Inputs: []Input{
			duration("ttl", "how long a lease is granted", "10 s"), duration("renew", "interval of renewals", "3 s"), duration("poll", "how often others ask for it", "1 s"),
			duration("pause", "a pause of the holder: collection, swap, migration", "8 s"),
			{Name: "drift", Kind: Share, Ask: "how much quicker the granter's clock may run", Example: "0.1 %", Most: 0.5, Optional: true},
		},
		compute: leased,
	},
	{
		Name: "refresh", About: "how many compute a cached entry that is refreshed early by chance",
		Formula: "simulated: a request at a time s before expiry computes with chance exp(-s / (beta x recompute)), until a value is there (XFetch)",
		Source:  "Vattani, Chierichetti and Lowenstein, Optimal probabilistic cache stampede prevention, VLDB 2015",
		Assumes: []string{"requests for the entry are independent (Poisson)", "a computation always takes as long", "the entry lives much longer than a computation takes", "20,000 expiries"},
		Inputs: []Input{
			rate("rate", "requests for the entry", "500/s"), duration("recompute", "time of one computation", "200 ms"),
			{Name: "beta", Kind: Number, Ask: "eagerness; 1 is usual", Example: "1", Least: 0.01, Most: 100, Optional: true},
			seed(),
		},
		compute: refresh,
	},
}

func leased(in map[string]float64) ([]Figure, error) {
	ttl, renew := in["ttl"], in["renew"]
	if renew >= ttl {
		return nil, &Problem{"renew", "it is no shorter than ttl", "renew at a third of ttl, so that two renewals may fail"}
	}
	slack := ttl - renew
	return []Figure{
		figure("nobody holds it after a crash, mean", Duration, ttl-renew/2+in["poll"]/2), figure("nobody holds it after a crash, at most", Duration, ttl+in["poll"]),
		figure("pauses that never lose it, up to", Duration, slack*(1-in["drift"])), figure("renewals that may fail in a row", Count, math.Ceil(ttl/renew)-1),
		figure("chance that this pause loses it", Share, min(1, max(0, (in["pause"]-slack*(1-in["drift"]))/renew))),
	}, nil
}

// refresh draws the moments at which requests decide to compute: a Poisson process whose
// intensity at s before expiry is rate x exp(-s / eager), so that rate x eager x exp(-s / eager)
// of them are expected earlier than s.
func refresh(in map[string]float64) ([]Figure, error) {
	took, eager := in["recompute"], in["beta"]*in["recompute"]
	mass := in["rate"] * eager
	random := rand.New(rand.NewPCG(uint64(in["seed"]), 4))
	computed, early, before := 0.0, 0, 0.0
	for range trials {
		at := random.ExpFloat64()
		if at >= mass { // nobody before expiry: all who come until a value is there
			computed += 1 + in["rate"]*took
			continue
		}
		first := eager * math.Log(mass/at)
		early, before = early+1, before+first
		computed++
		for {
			at += random.ExpFloat64()
			if at >= mass || eager*math.Log(mass/at) < first-took {
				break
			}
			computed++
		}
		computed += in["rate"] * max(0, took-first) // after expiry, all
	}
	return []Figure{
		figure("computations for one expiry", Count, computed/trials), figure("without early refresh", Count, 1+in["rate"]*took),
		figure("refreshed before expiry", Share, float64(early)/trials), figure("mean time before expiry, if so", Duration, before/max(1, float64(early))),
	}, nil
}
