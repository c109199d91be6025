package journal

import "testing"

// TestQuorum: any r copies have what w of n acknowledged, and one less might not.
func TestQuorum(t *testing.T) {
	for _, g := range []Guarantees{{Machines: 1}, {Machines: 1, Copies: 1}, {Machines: 2, Copies: 3}, {Machines: 3, Copies: 5}, {Machines: 3, Copies: 3}, {Machines: 1, Copies: 3}} {
		q := g.Quorum()
		if q.W+q.R <= q.N || q.W+q.R-1 > q.N {
			t.Errorf("%+v: %s is not the least that is enough", g, q)
		}
		if q.W != g.Machines || q.Lost() != g.Machines-1 {
			t.Errorf("%+v: %s, and %d copies may be lost", g, q, q.Lost())
		}
	}
	if got, want := (Guarantees{Machines: 2, Copies: 3}).Quorum().String(), "w 2 + r 2 > n 3"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
