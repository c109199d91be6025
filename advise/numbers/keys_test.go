package numbers

import (
	"fmt"
	"hash/maphash"
	"math"
	"math/rand/v2"
	"testing"
)

func TestHarmonic(t *testing.T) {
	for _, s := range []float64{0, 0.5, 0.99, 1, 1.5, 3} {
		sum := 0.0
		for i := 3_000_000.0; i >= 1; i-- {
			sum += math.Pow(i, -s)
		}
		near(t, fmt.Sprintf("s=%v", s), harmonic(3_000_000, s), sum, 1e-9)
	}
}

// TestZipf against the generator of the standard library, and a counted placement.
func TestZipf(t *testing.T) {
	near(t, "skew 1, 1000 keys", run(t, "zipf", "keys", "1000", "skew", "1")["hottest key"], 1/7.485470860550345, 1e-9)
	random := rand.New(rand.NewPCG(14, 1))
	z := rand.NewZipf(random, 1.5, 1, 9999)
	hottest := 0
	const draws = 300_000
	for range draws {
		if z.Uint64() == 0 {
			hottest++
		}
	}
	near(t, "drawn", run(t, "zipf", "keys", "10000", "skew", "1.5")["hottest key"], float64(hottest)/draws, 0.02)
	even := run(t, "zipf", "keys", "100000", "skew", "0", "partitions", "4")
	near(t, "without skew", even["busiest partition"], 0.25, 0.02)
	one := run(t, "zipf", "partitions", "1")
	near(t, "one partition", one["busiest partition"], 1, 1e-9)
	if got := run(t, "zipf", "skew", "2", "partitions", "100"); got["busiest partition"] < got["hottest key"] {
		t.Errorf("a partition has less than its key: %v", got)
	}
}

// TestCollision has the figures that everybody quotes.
func TestCollision(t *testing.T) {
	near(t, "32 bits", run(t, "collision", "bits", "32")["IDs for a chance of one half"], 77_163, 1e-4)
	near(t, "77163 of 32 bits", run(t, "collision", "bits", "32", "ids", "77163")["chance that two are the same"], 0.5, 1e-4)
	near(t, "random UUIDs", run(t, "collision", "bits", "122")["IDs for a chance of one half"], 2.71e18, 0.01)
	if got := run(t, "collision", "ids", "1")["chance that two are the same"]; got != 0 {
		t.Errorf("one ID meets itself: %v", got)
	}
}

// TestBloom against a filter.
func TestBloom(t *testing.T) {
	const ids, bits, hashes = 20_000, 10, 7
	filter := make([]bool, ids*bits)
	seeds := make([]maphash.Seed, hashes)
	for i := range seeds {
		seeds[i] = maphash.MakeSeed()
	}
	spots := func(id int, see func(at uint64)) {
		for _, s := range seeds {
			see(maphash.Comparable(s, id) % uint64(len(filter)))
		}
	}
	for id := range ids {
		spots(id, func(at uint64) { filter[at] = true })
	}
	wrong := 0
	const others = 200_000
	for id := ids; id < ids+others; id++ {
		seen := true
		spots(id, func(at uint64) { seen = seen && filter[at] })
		if seen {
			wrong++
		}
	}
	got := run(t, "bloom", "bits", "10")
	near(t, "a filter", got["wrongly called seen"], float64(wrong)/others, 0.15)
	near(t, "published", got["wrongly called seen"], 0.00819, 0.001)
	if got["hashes"] != hashes {
		t.Errorf("%v", got)
	}
}
