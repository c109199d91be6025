package demo

import (
	"math/rand/v2"
	"testing"
)

func judge(calls ...observed) string {
	return linearizable(map[string][]observed{"": calls}, map[string]int64{"": 10})
}

func sale(from, to, quantity, left int64) observed {
	return observed{what: sold, from: from, to: to, quantity: quantity, left: left}
}

func glance(from, to, left int64) observed {
	return observed{what: looked, from: from, to: to, left: left}
}

func noSale(from, to, quantity int64) observed {
	return observed{what: refused, from: from, to: to, quantity: quantity}
}

func TestLinearizable(t *testing.T) {
	for _, c := range []struct {
		name  string
		want  string
		calls []observed
	}{
		{"nothing", "yes", nil},
		{"in turn", "yes", []observed{sale(0, 1, 4, 6), glance(2, 3, 6), sale(4, 5, 6, 0), noSale(6, 7, 1)}},
		{"beside each other, in either order", "yes", []observed{sale(0, 9, 6, 0), sale(0, 9, 4, 6), glance(0, 9, 6), glance(0, 9, 10), noSale(0, 9, 1)}},
		{"a look before a sale that began before it", "yes", []observed{sale(0, 9, 4, 6), glance(1, 2, 10), glance(3, 4, 6)}},
		{"a stale look", "no", []observed{sale(0, 1, 4, 6), glance(2, 3, 10)}},
		{"a look that goes back", "no", []observed{sale(0, 9, 4, 6), glance(1, 2, 6), glance(3, 4, 10)}},
		{"a look at what never was", "no", []observed{sale(0, 1, 4, 6), glance(0, 9, 7)}},
		{"two sales from one stock", "no", []observed{sale(0, 9, 4, 6), sale(0, 9, 4, 6)}},
		{"a sale of too much", "no", []observed{sale(0, 1, 11, -1)}},
		{"a refusal too early", "no", []observed{noSale(0, 1, 3), sale(2, 3, 8, 2)}},
		{"a refusal where enough is left", "no", []observed{sale(0, 1, 4, 6), noSale(2, 3, 6)}},
		{"a refusal beside the sale that explains it", "yes", []observed{noSale(0, 5, 3), sale(2, 9, 8, 2)}},
		{"sales in the wrong order", "no", []observed{sale(0, 1, 6, 0), sale(2, 3, 4, 6)}},
	} {
		if got := judge(c.calls...); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestNarrowChangesNoVerdict holds the checker with narrowed intervals against
// the checker without, on small random histories, most of them wrong.
func TestNarrowChangesNoVerdict(t *testing.T) {
	verdicts := map[string]int{}
	for seed := range uint64(3000) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var calls []observed
		stock, clock := int64(10), int64(0)
		for range 2 + rng.IntN(6) {
			clock += rng.Int64N(4)
			o := observed{from: clock - rng.Int64N(6), to: clock + rng.Int64N(6), what: what(rng.IntN(3)), quantity: 1 + rng.Int64N(3)}
			if o.what == sold && stock >= o.quantity {
				stock -= o.quantity
			}
			o.left = stock
			if rng.IntN(6) == 0 {
				o.left += rng.Int64N(3) - 1
			}
			calls = append(calls, o)
		}
		plain := checkPlain(calls)
		got := judge(calls...)
		if got != plain {
			t.Fatalf("seed %d: %s with narrowed intervals, %s without: %+v", seed, got, plain, calls)
		}
		verdicts[got]++
	}
	if verdicts["yes"] < 100 || verdicts["no"] < 100 {
		t.Errorf("one-sided: %v", verdicts)
	}
}
