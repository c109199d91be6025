package disk_test

import (
	"os"
	"strconv"
	"testing"
)

// seeds yields n seeds, scaled by MAINSTEM_ROUNDS, or the one in MAINSTEM_SEED.
func seeds(t *testing.T, n int) []uint64 {
	t.Helper()
	if s := os.Getenv("MAINSTEM_SEED"); s != "" {
		seed, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatalf("MAINSTEM_SEED: %v", err)
		}
		return []uint64{seed}
	}
	if factor, err := strconv.ParseFloat(os.Getenv("MAINSTEM_ROUNDS"), 64); err == nil {
		n = max(1, int(float64(n)*factor))
	}
	all := make([]uint64, n)
	for i := range all {
		all[i] = uint64(i) + 1
	}
	return all
}
