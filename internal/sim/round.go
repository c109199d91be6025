package sim

import (
	"hash/fnv"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// Rounds runs fn with one seed after another, n times, scaled by the
// environment: MAINSTEM_ROUNDS is a factor, MAINSTEM_SOAK another one that also
// draws fresh seeds, and MAINSTEM_SEED runs that one seed alone. It stops at
// the first seed that fails, names it, and logs how many rounds were run of
// how many asked.
func Rounds(t *testing.T, n int, fn func(t *testing.T, seed uint64)) {
	t.Helper()
	first, asked := plan(t, n)
	run := 0
	defer func() { t.Logf("%s: rounds run / rounds asked: %d / %d", t.Name(), run, asked) }()
	for ; run < asked; run++ {
		seed := first + uint64(run)
		ok := t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			defer func() {
				if t.Failed() {
					t.Logf("seed %d failed; repeat it with MAINSTEM_SEED=%d go test -run '^%s$'", seed, seed, root(t.Name()))
				}
			}()
			fn(t, seed)
		})
		if !ok {
			return
		}
	}
}

func root(name string) string {
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '/' {
			return name[:i]
		}
	}
	return name
}

func plan(t *testing.T, n int) (first uint64, asked int) {
	if text := os.Getenv("MAINSTEM_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("MAINSTEM_SEED=%q is not a decimal number of at most 64 bits", text)
		}
		return seed, 1
	}
	h := fnv.New32a()
	h.Write([]byte(t.Name()))
	first = uint64(h.Sum32()) << 20 // room for a million rounds before two tests share a seed
	if os.Getenv("MAINSTEM_SOAK") != "" {
		first = rand.Uint64() >> 1
	}
	return first, Scaled(t, n)
}

// Scaled is n times the factors in the environment, and at least 1.
func Scaled(t testing.TB, n int) int {
	t.Helper()
	scale := 1.0
	for _, name := range []string{"MAINSTEM_ROUNDS", "MAINSTEM_SOAK"} {
		text := os.Getenv(name)
		if text == "" {
			continue
		}
		factor, err := strconv.ParseFloat(text, 64)
		if err != nil || factor < 0 {
			t.Fatalf("%s=%q is not a factor", name, text)
		}
		scale *= factor
	}
	return max(1, int(float64(n)*scale))
}

// Rand is the generator of a seed.
func Rand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0x6d61696e7374656d)) }
