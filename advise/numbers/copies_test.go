package numbers

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestVersionsBehind against writes and reads that choose their copies by chance.
func TestVersionsBehind(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 1))
	const n, w, r, k, rounds = 5, 2, 1, 2, 200_000
	one, both := 0, 0
	for range rounds {
		missed := 0
		read := random.Perm(n)[:r]
		for range k {
			wrote := random.Perm(n)[:w]
			if !slices.ContainsFunc(read, func(c int) bool { return slices.Contains(wrote, c) }) {
				missed++
			} else {
				break
			}
		}
		if missed >= 1 {
			one++
		}
		if missed >= k {
			both++
		}
	}
	got := run(t, "kstale", "n", "5", "w", "2", "r", "1", "k", "2")
	near(t, "one version", got["reads that miss the newest version"], float64(one)/rounds, 0.01)
	near(t, "two versions", got["reads that miss the newest k versions"], float64(both)/rounds, 0.02)
	// The paper: with n = 3 and w = r = 1, a read is within 3 versions with more than 0.703.
	near(t, "published", 1-run(t, "kstale", "n", "3", "w", "1", "r", "1", "k", "3")["reads that miss the newest k versions"], 0.7037, 0.001)
	if got := run(t, "kstale", "w", "2", "r", "2"); got["reads that miss the newest version"] != 0 {
		t.Errorf("quorums that overlap miss: %v", got)
	}
}

// TestStandIns: a sloppy quorum overlaps by what its true copies do.
func TestStandIns(t *testing.T) {
	if got := run(t, "quorum", "standins", "1"); got["overlap"] != 0 || got["reads meet the newest write (1 is yes)"] != 0 {
		t.Errorf("%v", got)
	}
}
