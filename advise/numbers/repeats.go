package numbers

import "math"

// repeats are the calculators about doing things more than once.
var repeats = []Calculator{
	{
		Name: "duplicates", About: "what happens twice where nothing remembers request IDs",
		Formula: "unknown = share of calls whose answer is lost though they were done; each is sent again: duplicates = rate x unknown x (1 + unknown + ... + unknown^(retries-1))",
		Source:  "Helland, Idempotence is not a medical condition, CACM 2012",
		Assumes: []string{"each repetition loses its answer as often as the first", "callers repeat every unknown outcome"},
		Inputs: []Input{
			rate("rate", "calls", "200/s"), share("unknown", "share that is done and looks failed", "0.1 %"), count("retries", "repetitions at most", "3", 0, 100),
		},
		compute: func(in map[string]float64) ([]Figure, error) {
			sum, u := 0.0, in["unknown"]
			for i := 0.0; i < in["retries"]; i++ {
				sum += math.Pow(u, i+1)
			}
			return []Figure{figure("duplicates", Rate, in["rate"]*sum), figure("duplicates in a day", Count, in["rate"]*sum*86400)}, nil
		},
	},
	{
		Name: "retries", About: "how retries multiply over layers when the last one fails",
		Formula: "calls of the last layer = (1 + retries)^layers; with a budget (1 + budget)^layers", Source: "Beyer et al., Site Reliability Engineering, chapter 22",
		Assumes: []string{"each layer repeats each failed call; with a budget, only a share of its calls", "the last layer fails every call"},
		Inputs:  []Input{count("retries", "repetitions in each layer", "3", 0, 100), count("layers", "layers that repeat", "3", 1, 20), {Name: "budget", Kind: Share, Ask: "repetitions that a budget allows, beside first calls", Example: "10 %", Most: 1, Optional: true}},
		compute: func(in map[string]float64) ([]Figure, error) {
			return []Figure{figure("calls of the last layer for one request", Count, math.Pow(1+in["retries"], in["layers"])), figure("with a budget in each layer", Count, math.Pow(1+min(in["budget"], in["retries"]), in["layers"]))}, nil
		},
	},
	{
		Name: "stampede", About: "how many compute the same when one entry of a cache expires",
		Formula: "asked meanwhile = rate x recompute; with coalescing 1; early refresh at -beta x recompute x ln(random) leaves e^(1/beta) of them, before the expiry",
		Source:  "Vattani, Chierichetti and Lowenstein, Optimal probabilistic cache stampede prevention, VLDB 2015",
		Assumes: []string{"requests for this entry are independent (Poisson)", "a computation takes as long when many run, which is the best case"},
		Inputs:  []Input{rate("rate", "requests for this entry", "500/s"), duration("recompute", "time of one computation", "200 ms")},
		compute: func(in map[string]float64) ([]Figure, error) {
			return []Figure{
				figure("computations at once without coalescing", Count, 1+in["rate"]*in["recompute"]), figure("computations with coalescing", Count, 1),
				figure("mean time before expiry of the early refresh", Duration, in["recompute"]*(math.Log(max(1, in["rate"]*in["recompute"]))+0.5772)),
			}, nil
		},
	},
}

// sizes are the calculators about capacity.
var sizes = []Calculator{
	{
		Name: "sync", About: "what one disk acknowledges, alone and gathered",
		Formula: "alone: 1 / sync; gathered: batch / max(sync, batch x work)", Source: "DeWitt et al., Implementation techniques for main memory database systems, 1984 (group commit)",
		Assumes: []string{"one sync at a time", "the next batch gathers while one is synced"},
		Inputs: []Input{
			duration("sync", "time of one sync", "200 us"), count("batch", "transactions in a batch: callers that wait at a time", "64", 1, 1e6), duration("work", "processor time of one transaction", "10 us"),
		},
		compute: func(in map[string]float64) ([]Figure, error) {
			return []Figure{
				figure("alone", Rate, 1/(in["sync"]+in["work"])), figure("gathered", Rate, in["batch"]/max(in["sync"], in["batch"]*in["work"])),
			}, nil
		},
	},
	{
		Name: "distance", About: "the least that an answer from another region takes",
		Formula: "round trip = 2 x km x detour / 200,000 km/s", Source: "light in fibre at two thirds of its speed in empty space (ITU-T G.652: refractive index about 1.468)",
		Assumes: []string{"nothing on the way but fibre: switches, queues and handshakes come on top"},
		Inputs: []Input{
			count("km", "distance as the crow flies", "6200", 0, 40_000),
			{Name: "detour", Kind: Share, Ask: "length of the cable, beside that", Example: "150 %", Least: 1, Most: 10, Optional: true},
		},
		compute: func(in map[string]float64) ([]Figure, error) {
			return []Figure{figure("round trip", Duration, 2*in["km"]*in["detour"]/200_000)}, nil
		},
	},
	{
		Name: "capacity", About: "when a disk is full",
		Formula: "days = (disk x usable - data x copies) / (growth x copies)", Source: "arithmetic",
		Assumes: []string{"growth stays as it is; where it doubles each year, take the last year's end"},
		Inputs: []Input{
			{Name: "disk", Kind: Size, Ask: "size of the disk", Example: "2 TB", Least: 1, Most: 1e18},
			share("usable", "share that may be used", "70 %"),
			{Name: "data", Kind: Size, Ask: "data now, one copy", Example: "200 GB", Most: 1e18},
			{Name: "growth", Kind: Size, Ask: "growth in a day, one copy", Example: "1 GB", Least: 1e-3, Most: 1e18},
			count("copies", "copies on this disk: versions, indexes, compaction", "2", 1, 1000),
		},
		compute: func(in map[string]float64) ([]Figure, error) {
			left := in["disk"]*in["usable"] - in["data"]*in["copies"]
			return []Figure{figure("left", Size, max(0, left)), figure("days until full", Count, max(0, left/(in["growth"]*in["copies"])))}, nil
		},
	},
}
