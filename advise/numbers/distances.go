package numbers

import (
	"math"
	"slices"
)

// followers are the inputs of commit; 0 is none.
var followers = []string{"to1", "to2", "to3", "to4"}

// distances are the calculators about far copies, growth, and what a year may cost.
var distances = []Calculator{
	{
		Name: "commit", About: "how long a majority takes to have a write, and how often one key can be decided on",
		Formula: "copies = 1 + followers; needed = majority - 1 followers; commit = round trip of the last needed one + sync; answer = client + commit; decisions in a row = 1 / commit",
		Source:  "Ongaro and Ousterhout, In search of an understandable consensus algorithm, USENIX ATC 2014; Abadi, Consistency tradeoffs in modern distributed database system design, 2012",
		Assumes: []string{"one round trip from the leader, which waits for the quickest", "a disk syncs as quickly everywhere", "round trips are what is usual; their tails are another matter (fanout)"},
		Inputs: []Input{
			duration("to1", "round trip from the leader to a follower", "2 ms"), duration("to2", "to the second", "70 ms"),
			{Name: "to3", Kind: Duration, Ask: "to the third; 0 is none", Example: "0 ms", Most: forever, Optional: true},
			{Name: "to4", Kind: Duration, Ask: "to the fourth; 0 is none", Example: "0 ms", Most: forever, Optional: true},
			duration("sync", "time of one sync", "200 us"),
			{Name: "client", Kind: Duration, Ask: "round trip from the caller to the leader", Example: "20 ms", Most: forever},
		},
		compute: commit,
	},
	{
		Name: "growth", About: "when data that grows by a share is too much",
		Formula: "months = ln(limit / (data x copies)) / ln(1 + growth); doubling = ln 2 / ln(1 + growth)", Source: "arithmetic of compound growth",
		Assumes: []string{"the share stays the same; look again each quarter", "copies are versions, indexes, replicas on the same disk, and room for compaction"},
		Inputs: []Input{
			{Name: "data", Kind: Size, Ask: "data now, one copy", Example: "200 GB", Least: 1, Most: 1e18},
			{Name: "growth", Kind: Share, Ask: "growth in a month", Example: "8 %", Least: 1e-6, Most: 10},
			{Name: "limit", Kind: Size, Ask: "what may be used", Example: "1.4 TB", Least: 1, Most: 1e18},
			count("copies", "copies", "2", 1, 1000),
		},
		compute: growth,
	},
	{
		Name: "budget", About: "what an objective leaves for errors, and how quickly it is spent",
		Formula: "budget = (1 - target) x window; burn rate = failing / (1 - target); gone after = window / burn rate",
		Source:  "Beyer et al., The Site Reliability Workbook, chapter 5",
		Assumes: []string{"requests come evenly over the window", "a burn rate of 14.4 spends 2 % of a budget of 30 days in an hour, which is when the book wakes somebody"},
		Inputs: []Input{
			{Name: "target", Kind: Share, Ask: "the objective", Example: "99.9 %", Most: 0.999999999},
			duration("window", "the window", "30 d"),
			{Name: "failing", Kind: Share, Ask: "share of requests that fail now", Example: "1 %", Least: 1e-12, Most: 1},
		},
		compute: func(in map[string]float64) ([]Figure, error) {
			burn := in["failing"] / (1 - in["target"])
			return []Figure{
				figure("may fail in the window, as time", Duration, (1-in["target"])*in["window"]), figure("burn rate", Count, burn),
				figure("gone after", Duration, in["window"]/burn),
			}, nil
		},
	},
}

func commit(in map[string]float64) ([]Figure, error) {
	var trips []float64
	for _, name := range followers {
		if in[name] > 0 {
			trips = append(trips, in[name])
		}
	}
	slices.Sort(trips)
	copies := len(trips) + 1
	needed := copies / 2 // followers, for a majority with the leader
	took := trips[needed-1] + in["sync"]
	found := []Figure{
		figure("copies", Count, float64(copies)), figure("majority", Count, float64(needed+1)), figure("copies that may fail", Count, float64(copies-needed-1)),
		figure("commit", Duration, took), figure("answer", Duration, in["client"]+took), figure("decisions on one key in a row", Rate, 1/took),
	}
	if needed < len(trips) {
		found = append(found, figure("commit without the nearest follower", Duration, trips[needed]+in["sync"]))
	}
	return found, nil
}

func growth(in map[string]float64) ([]Figure, error) {
	now, step := in["data"]*in["copies"], math.Log1p(in["growth"])
	return []Figure{
		figure("used now", Size, now), figure("months until full", Count, max(0, math.Log(in["limit"]/now)/step)), figure("months to double", Count, math.Ln2/step),
	}, nil
}
