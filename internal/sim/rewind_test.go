package sim

import (
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
)

// TestRewindOverLeasesAndCursors: keys go back; leases, IDs, streams and a
// follower's cursor do not, or a lock would be held twice and an event
// delivered twice.
func TestRewindOverLeasesAndCursors(t *testing.T) {
	over(t, func(t *testing.T, db *mainstem.DB) {
		g := db.Group("g")
		do := func(id string, ops ...mainstem.Operation) *mainstem.Receipt {
			t.Helper()
			r, err := db.Backend().Commit(t.Context(), &mainstem.Transaction{Group: "g", ID: mainstem.ID{Opaque: id}, Attempt: 1, Operations: ops})
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		acquire := func(owner string) mainstem.Operation {
			return mainstem.Acquire{Lease: "k-lease", Owner: owner, TTL: time.Hour}
		}
		first := do("1", mainstem.Put{Name: "k", Value: mainstem.Int(1)}, acquire("ann"), mainstem.Append{Stream: "k-s", Events: []mainstem.Event{{Type: "t"}}})
		do("2", mainstem.Release{Lease: "k-lease", Token: first.Results[1].Token})
		third := do("3", mainstem.Put{Name: "k", Value: mainstem.Int(3)}, acquire("bob"), mainstem.Put{Name: "k2", Value: mainstem.Int(3)},
			mainstem.Append{Stream: "k-s", Events: []mainstem.Event{{Type: "t"}}})
		for range 2 { // the second is the same rewind, repeated
			if _, err := g.Rewind(t.Context(), "rewind", "k", first.Position); err != nil {
				t.Fatal(err)
			}
		}
		v, err := g.View(t.Context(), mainstem.Latest())
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		if k, err := v.Get(t.Context(), "k"); err != nil || k.Value.Int != 1 {
			t.Errorf("k is %v, %v, want 1", k.Value, err)
		}
		if k, err := v.Get(t.Context(), "k2"); err != nil || k.Exists {
			t.Errorf("k2 is %v, %v, want none", k.Value, err)
		}
		if l, err := v.Lease(t.Context(), "k-lease"); err != nil || l.Owner != "bob" || l.Released || l.Token != third.Results[1].Token {
			t.Errorf("(L7) the lease was rewound to %+v, %v", l, err)
		}
		if n, err := v.Length(t.Context(), "k-s"); err != nil || n != 2 {
			t.Errorf("the stream was rewound to %d events, %v", n, err)
		}
		again, err := db.Backend().Commit(t.Context(), &mainstem.Transaction{Group: "g", ID: mainstem.ID{Opaque: "3"}, Attempt: 2})
		if err != nil || !again.Replayed || again.Position != third.Position {
			t.Errorf("(L5) an ID was rewound: %+v, %v", again, err)
		}
	})
}
