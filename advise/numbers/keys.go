package numbers

import (
	"math"
	"math/rand/v2"
	"slices"
)

// keys are the calculators about keys: hot ones, and those that meet by chance.
var keys = []Calculator{
	{
		Name: "zipf", About: "how much the hottest key takes, and what it does to partitions",
		Formula: "share of the i-th key = i^-skew / sum of j^-skew; partitions by hash: keys are placed by chance, the middle of 21 placements",
		Source:  "Zipf's law; Breslau et al., Web caching and Zipf-like distributions, INFOCOM 1999 (skew 0.64 to 0.83); Cooper et al., Benchmarking cloud serving systems with YCSB, SoCC 2010 (0.99)",
		Assumes: []string{"the busiest 100,000 keys are placed one by one, the rest is spread evenly", "one key is in one partition, whatever happens"},
		Inputs: []Input{
			count("keys", "keys", "1000000", 1, 1e9), number("skew", "exponent: 0 is even, 1 is a lot", "0.99", 0, 5), count("partitions", "partitions", "16", 1, 10_000),
			rate("rate", "requests for all keys", "10000/s"), seed(),
		},
		compute: zipf,
	},
	{
		Name: "collision", About: "whether IDs drawn by chance meet",
		Formula: "chance = 1 - exp(-ids x (ids - 1) / 2^(bits + 1))", Source: "the birthday problem; Knuth, The Art of Computer Programming, volume 3, section 6.4; RFC 9562 for the bits of UUIDs (version 4: 122, version 7: 74 within a millisecond)",
		Assumes: []string{"the bits are really drawn by chance, by every machine"},
		Inputs:  []Input{count("ids", "IDs that must differ", "1000000000", 1, 1e30), count("bits", "bits drawn by chance", "122", 1, 512)},
		compute: func(in map[string]float64) ([]Figure, error) {
			room := math.Exp2(in["bits"] + 1)
			chance := -math.Expm1(-in["ids"] * (in["ids"] - 1) / room)
			return []Figure{figure("chance that two are the same", Share, chance), figure("IDs for a chance of one half", Count, math.Sqrt(room*math.Ln2))}, nil
		},
	},
	{
		Name: "bloom", About: "how often a filter of seen IDs says seen of one that it has not",
		Formula: "hashes = bits x ln 2, rounded; wrong = (1 - exp(-hashes / bits))^hashes, with bits per key",
		Source:  "Bloom, Space/time trade-offs in hash coding with allowable errors, CACM 1970; Broder and Mitzenmacher, Network applications of Bloom filters, 2004",
		Assumes: []string{"hashes are independent", "a filter may only spare a look-up: where it says seen, look it up before anything is refused"},
		Inputs:  []Input{count("ids", "IDs in the filter", "1000000", 1, 1e15), count("bits", "bits per ID", "10", 1, 100)},
		compute: func(in map[string]float64) ([]Figure, error) {
			hashes := max(1, math.Round(in["bits"]*math.Ln2))
			return []Figure{
				figure("hashes", Count, hashes), figure("wrongly called seen", Share, math.Pow(-math.Expm1(-hashes/in["bits"]), hashes)),
				figure("size", Size, in["ids"]*in["bits"]/8),
			}, nil
		},
	},
}

// placed is how many keys are placed one by one; placements how often.
const (
	placed     = 100_000
	placements = 21
)

// harmonic is the sum of i^-s for i from 1 to n: the first exactly, the rest as an
// integral and half of both ends (Euler and Maclaurin), which is then good to ten digits.
func harmonic(n, s float64) float64 {
	sum, i := 0.0, 1.0
	for ; i <= min(n, placed); i++ {
		sum += math.Pow(i, -s)
	}
	if n <= placed {
		return sum
	}
	from, area := i, 0.0
	if math.Abs(s-1) < 1e-9 {
		area = math.Log(n / from)
	} else {
		area = (math.Pow(n, 1-s) - math.Pow(from, 1-s)) / (1 - s)
	}
	return sum + area + (math.Pow(from, -s)+math.Pow(n, -s))/2
}

func zipf(in map[string]float64) ([]Figure, error) {
	n, s, parts := in["keys"], in["skew"], int(in["partitions"])
	all := harmonic(n, s)
	hottest := 1 / all
	random := rand.New(rand.NewPCG(uint64(in["seed"]), 3))
	shares := make([]float64, 0, int(min(n, placed)))
	rest := 1.0
	for i := 1.0; i <= min(n, placed); i++ {
		shares = append(shares, math.Pow(i, -s)/all)
		rest -= shares[len(shares)-1]
	}
	busiest := make([]float64, placements)
	for p := range busiest {
		load := make([]float64, parts)
		for _, share := range shares {
			load[random.IntN(parts)] += share
		}
		busiest[p] = slices.Max(load) + max(0, rest)/float64(parts)
	}
	slices.Sort(busiest)
	middle := busiest[placements/2]
	return []Figure{
		figure("hottest key", Share, hottest), figure("requests for it", Rate, hottest*in["rate"]),
		figure("hottest hundredth of the keys", Share, harmonic(max(1, math.Trunc(n/100)), s)/all),
		figure("busiest partition", Share, middle), figure("beside an even share", Count, middle*float64(parts)),
		figure("partitions that the hottest key is worth", Count, hottest*float64(parts)),
	}, nil
}
