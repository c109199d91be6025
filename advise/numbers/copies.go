package numbers

import (
	"math"
	"math/rand/v2"
	"slices"
)

const forever = 100 * 365 * 86400.0 // seconds

func count(name, ask, example string, least, most float64) Input {
	return Input{Name: name, Kind: Count, Ask: ask, Example: example, Least: least, Most: most}
}

func number(name, ask, example string, least, most float64) Input {
	return Input{Name: name, Kind: Number, Ask: ask, Example: example, Least: least, Most: most}
}

func duration(name, ask, example string) Input {
	return Input{Name: name, Kind: Duration, Ask: ask, Example: example, Least: 1e-9, Most: forever}
}

func rate(name, ask, example string) Input {
	return Input{Name: name, Kind: Rate, Ask: ask, Example: example, Least: 1e-9, Most: 1e12}
}

func share(name, ask, example string) Input {
	return Input{Name: name, Kind: Share, Ask: ask, Example: example, Least: 0, Most: 1}
}

var quorumInputs = []Input{
	count("n", "copies", "3", 1, 100), count("w", "copies that a write waits for", "2", 1, 100), count("r", "copies that a read asks", "2", 1, 100),
}

// partialInputs have an example that does not overlap.
var partialInputs = []Input{
	count("n", "copies", "3", 1, 100), count("w", "copies that a write waits for", "1", 1, 100), count("r", "copies that a read asks", "1", 1, 100),
}

// copies are the calculators about replicas.
var copies = []Calculator{
	{
		Name: "quorum", About: "whether reads must meet the newest write, and what may fail",
		Formula: "overlap = w - standins + r - n; a read sees the newest write if overlap > 0; writes survive n - w failures, reads n - r",
		Source:  "Gifford, Weighted voting for replicated data, 1979; Kleppmann, Designing Data-Intensive Applications, chapter 5",
		Assumes: []string{
			"standins are acknowledgements of a sloppy quorum, from nodes that keep no copy and hand the write on later: they do not count for overlap",
			"overlap alone is not linearizable: two writes at once, and a write that reached fewer than w, can still be seen and then not",
		},
		Inputs:  append(slices.Clone(quorumInputs), Input{Name: "standins", Kind: Count, Ask: "acknowledgements from nodes that are no copies (sloppy quorum)", Example: "0", Most: 100, Optional: true}),
		compute: quorum,
	},
	{
		Name: "kstale", About: "how often a read of a partial quorum is many versions behind",
		Formula: "one version: p = C(n-w, r) / C(n, r); k versions: p^k", Source: "Bailis et al., Probabilistically bounded staleness for practical partial quorums, VLDB 2012, section 3.1",
		Assumes: []string{"each write reaches w copies by chance and no others: the worst case, as writes go on spreading", "reads choose r copies by chance"},
		Inputs:  append(slices.Clone(partialInputs), count("k", "versions", "3", 1, 1000)),
		compute: kstale,
	},
	{
		Name: "stale", About: "how often a read that begins some time after a write misses it",
		Formula: "simulated: delays of write and read to each copy are exponential; the read misses the write if none of the first r that answer had it",
		Source:  "Bailis et al., Probabilistically bounded staleness for practical partial quorums, VLDB 2012",
		Assumes: []string{"delays are independent and exponential", "no failures, no repair", "20,000 trials; the interval is that of 95 % (Wilson)"},
		Inputs: slices.Concat(partialInputs, []Input{
			duration("write", "mean delay of a write to a copy, one way", "5 ms"), duration("read", "mean delay of a read to a copy, one way", "1 ms"),
			{Name: "after", Kind: Duration, Ask: "time between the write's answer and the read", Example: "0 ms", Most: forever},
			{Name: "seed", Kind: Count, Ask: "seed of the simulation", Example: "1", Most: 1 << 53, Optional: true},
		}),
		compute: stale,
	},
	{
		Name: "available", About: "the availability of parts in a row and of copies of which some are enough",
		Formula: "row: a^parts; copies: sum over k >= needed of C(copies, k) a^k (1-a)^(copies-k)",
		Source:  "Trivedi, Probability and Statistics with Reliability, Queuing, and Computer Science Applications, chapter 1",
		Assumes: []string{"failures are independent, which they are not where machines share power, a network or a release"},
		Inputs: []Input{
			share("each", "availability of one", "99.9 %"), count("parts", "parts in a row that are all needed", "5", 1, 10_000),
			count("copies", "copies", "3", 1, 200), count("needed", "copies that are enough", "2", 1, 200),
		},
		compute: available,
	},
}

func quorum(in map[string]float64) ([]Figure, error) {
	n, w, r := in["n"], in["w"], in["r"]
	if w > n || r > n {
		return nil, &Problem{"w, r", "more copies are asked than there are", "w and r are at most n"}
	}
	overlap := w - in["standins"] + r - n
	if in["standins"] > w {
		return nil, &Problem{"standins", "more stand-ins than acknowledgements", "standins is at most w"}
	}
	meets := 0.0
	if overlap > 0 {
		meets = 1
	}
	return []Figure{
		figure("overlap", Count, overlap), figure("reads meet the newest write (1 is yes)", Count, meets),
		figure("failures that writes tolerate", Count, n-w), figure("failures that reads tolerate", Count, n-r),
	}, nil
}

func kstale(in map[string]float64) ([]Figure, error) {
	if _, err := quorum(in); err != nil {
		return nil, err
	}
	n, w, r := int(in["n"]), int(in["w"]), int(in["r"])
	p := 0.0
	if w+r <= n {
		p = choose(n-w, r) / choose(n, r)
	}
	return []Figure{figure("reads that miss the newest version", Share, p), figure("reads that miss the newest k versions", Share, math.Pow(p, in["k"]))}, nil
}

const trials = 20_000

func stale(in map[string]float64) ([]Figure, error) {
	if _, err := quorum(in); err != nil {
		return nil, err
	}
	n, w, r := int(in["n"]), int(in["w"]), int(in["r"])
	random := rand.New(rand.NewPCG(uint64(in["seed"]), 1))
	type ask struct{ arrives, answered float64 }
	missed, written, asks := 0, make([]float64, n), make([]ask, n)
	for range trials {
		acks := make([]float64, n)
		for i := range n {
			written[i] = random.ExpFloat64() * in["write"]
			acks[i] = written[i] + random.ExpFloat64()*in["write"]
		}
		slices.Sort(acks)
		begin := acks[w-1] + in["after"]
		for i := range n {
			arrives := begin + random.ExpFloat64()*in["read"]
			asks[i] = ask{arrives - written[i], arrives + random.ExpFloat64()*in["read"]}
		}
		slices.SortFunc(asks, func(a, b ask) int { return compare(a.answered, b.answered) })
		if !slices.ContainsFunc(asks[:r], func(a ask) bool { return a.arrives >= 0 }) {
			missed++
		}
	}
	p := float64(missed) / trials
	low, high := wilson(p, trials)
	return []Figure{figure("reads that miss the write", Share, p), figure("at least", Share, low), figure("at most", Share, high)}, nil
}

func compare(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	default:
		return 0
	}
}

// wilson is the interval of 95 % of a share seen in n trials (Wilson, 1927).
func wilson(p, n float64) (low, high float64) {
	const z = 1.959964
	middle := p + z*z/(2*n)
	half := z * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return max(0, (middle-half)/(1+z*z/n)), min(1, (middle+half)/(1+z*z/n))
}

func available(in map[string]float64) ([]Figure, error) {
	a, n, k := in["each"], int(in["copies"]), int(in["needed"])
	if k > n {
		return nil, &Problem{"needed", "more copies are needed than there are", "needed is at most copies"}
	}
	enough := 0.0
	for ; k <= n; k++ {
		enough += choose(n, k) * math.Pow(a, float64(k)) * math.Pow(1-a, float64(n-k))
	}
	row := math.Pow(a, in["parts"])
	const year = 365 * 86400
	return []Figure{
		figure("all parts in a row", Share, row), figure("down in a year, in a row", Duration, (1-row)*year),
		figure("enough copies", Share, enough), figure("down in a year, copies", Duration, (1-enough)*year),
	}, nil
}

func choose(n, k int) float64 {
	a, _ := math.Lgamma(float64(n + 1))
	b, _ := math.Lgamma(float64(k + 1))
	c, _ := math.Lgamma(float64(n - k + 1))
	return math.Exp(a - b - c)
}
