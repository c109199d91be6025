package demo

import (
	"fmt"
	"time"
)

// Figures are what the audit of one run found.
type Figures struct {
	Purchases               int     `json:"purchases"`                 // rows that were answered
	SoldOut                 int     `json:"sold_out"`                  // of them refused because too little was left
	Kills                   int     `json:"kills"`                     // within the run
	RetriesAnsweredReplayed int     `json:"retries_answered_replayed"` // shoppers' repeated purchases that got their first receipt
	AckedLost               int     `json:"acked_lost"`
	Duplicated              int     `json:"duplicated"`
	Oversold                int64   `json:"oversold"`
	Linearizable            string  `json:"linearizable"`
	ThroughputPerS          float64 `json:"throughput_per_s"` // as paced
	P50                     float64 `json:"p50_ms"`           // of answered calls
	P99                     float64 `json:"p99_ms"`
	P999                    float64 `json:"p999_ms"`
	UnavailableP99          float64 `json:"unavailable_p99_ms"` // of calls begun while the database was down
	RecoveryMax             float64 `json:"recovery_ms_max"`    // from the kill until calls were answered again

	outcome *outcome
}

// Report is the demo's result: the run with the floor, the same purchases by
// compare-and-set, and how much the naive way oversold.
type Report struct {
	Figures
	// NaiveOversold is nil when that run was left out.
	NaiveOversold *int64  `json:"naive_oversold"`
	CAS           Figures `json:"cas"`
	Seed          uint64  `json:"seed"`
	// Cuts says what nodes of a cluster were cut off with: network namespaces or proxies.
	Cuts string `json:"cuts,omitempty"`
	// Failed is what Broken says, in JSON; absent when every promise held.
	Failed []string `json:"broken,omitempty"`

	server       bool
	cluster      string
	power        bool
	kept, source string
	naiveRun     *outcome
	elapsed      time.Duration
}

func (o *outcome) figures() Figures {
	f := Figures{
		Purchases: o.bought + o.refused, SoldOut: o.refused, Kills: o.kills,
		RetriesAnsweredReplayed: o.replayedInRun,
		AckedLost:               o.findings.Lost, Duplicated: o.findings.Duplicated, Oversold: o.findings.Oversold,
		Linearizable: o.linearizable,
		P50:          percentile(o.answered, 0.5), P99: percentile(o.answered, 0.99), P999: percentile(o.answered, 0.999),
		UnavailableP99: percentile(o.unavailable, 0.99), RecoveryMax: percentile(o.recovery, 1),
		outcome: o,
	}
	if o.took > 0 {
		f.ThroughputPerS = rounded(float64(f.Purchases) / o.took.Seconds())
	}
	return f
}

func (r *Report) floor(o *outcome) { r.Figures = o.figures() }

func (r *Report) naive(o *outcome) { r.naiveRun, r.NaiveOversold = o, &o.findings.Oversold }

// Broken lists the promises that did not hold.
func (r *Report) Broken() []error {
	broken := r.Figures.broken("with a floor")
	return append(broken, r.CAS.broken("by compare-and-set")...)
}

func (f *Figures) broken(how string) (broken []error) {
	check := func(bad bool, format string, args ...any) {
		if bad {
			broken = append(broken, fmt.Errorf(how+": "+format, args...))
		}
	}
	check(f.AckedLost > 0, "%d acknowledged purchases lost", f.AckedLost)
	check(f.Duplicated > 0, "%d duplicated", f.Duplicated)
	check(f.Oversold > 0, "%d oversold", f.Oversold)
	check(f.Linearizable == "no", "the history is not linearizable")
	switch {
	case f.outcome == nil:
	case f.outcome.broke != nil:
		check(true, "%w", f.outcome.broke)
	default:
		p, bound := f.outcome.plan, ms(f.outcome.plan.bound)
		check(bound > 0 && f.UnavailableP99 > bound, "calls while down took %.0f ms to end, more than %.0f", f.UnavailableP99, bound)
		check(f.Kills != p.kills, "%d of %d kills happened", f.Kills, p.kills)
		check(f.Purchases != len(p.orders), "%d of %d purchases were answered", f.Purchases, len(p.orders))
	}
	return broken
}

// percentile is the smallest of sorted times that a share q of them does not
// exceed, in milliseconds (nearest rank).
func percentile(sorted []time.Duration, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(q*float64(len(sorted)) + 0.999999)
	return rounded(ms(sorted[min(max(rank, 1), len(sorted))-1]))
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// rounded keeps three decimals: more would be noise.
func rounded(f float64) float64 { return float64(int64(f*1000+0.5)) / 1000 }
