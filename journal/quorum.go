package journal

import "fmt"

// Quorum is the arithmetic of the engine's settings: of n copies, w have a record
// before it is acknowledged, so that it takes r = n - w + 1 of them to be sure to
// find it (Gifford, "Weighted Voting for Replicated Data", 1979: r + w > n).
type Quorum struct{ N, W, R int }

// Quorum is that of the engine.
func (g Guarantees) Quorum() Quorum {
	n := max(g.Copies, g.Machines)
	return Quorum{N: n, W: g.Machines, R: n - g.Machines + 1}
}

// String shows the sum.
func (q Quorum) String() string {
	return fmt.Sprintf("w %d + r %d > n %d", q.W, q.R, q.N)
}

// Lost is how many copies may be lost for good without an acknowledged record.
func (q Quorum) Lost() int { return q.W - 1 }
