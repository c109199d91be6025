package store

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// seeds runs a test for n seeds, scaled by MAINSTEM_ROUNDS, or for the one in
// MAINSTEM_SEED alone, and prints the seed that fails.
func seeds(t *testing.T, n int, run func(t *testing.T, random *rand.Rand)) {
	t.Helper()
	first := uint64(1)
	if text := os.Getenv("MAINSTEM_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("MAINSTEM_SEED %q is no number", text)
		}
		first, n = seed, 1
	} else if scale, err := strconv.ParseFloat(os.Getenv("MAINSTEM_ROUNDS"), 64); err == nil {
		n = max(1, int(float64(n)*scale))
	}
	done := 0
	for seed := first; done < n && !t.Failed(); seed++ {
		t.Run("seed="+strconv.FormatUint(seed, 10), func(t *testing.T) { run(t, rand.New(rand.NewPCG(seed, 1))) })
		done++
	}
	t.Logf("rounds %d / %d; MAINSTEM_SEED replays one", done, n)
}
