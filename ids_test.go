package mainstem

import (
	"math/rand/v2"
	"testing"
)

// TestIDsNameTheLowestOutstanding: whatever ends in which order, an ID names the
// lowest number that has not ended, and a session never spans more than its limit.
func TestIDsNameTheLowestOutstanding(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	ids := newIDSource()
	var outstanding []ID
	session, low, renewed := ids.session, uint64(1), 0
	ended := map[uint64]bool{}
	for round := range 9 * LimitOutstanding {
		if n := len(outstanding); n > 0 && random.IntN(2*n) >= 400 {
			i := random.IntN(n)
			if hangs := round/(3*LimitOutstanding)%2 == 1; hangs && outstanding[i].Session == session && outstanding[i].Number == low {
				i = (i + 1) % n
			}
			id := outstanding[i]
			outstanding[i] = outstanding[n-1]
			outstanding = outstanding[:n-1]
			ids.done(id)
			ids.done(id) // again says nothing new
			if id.Session == session {
				ended[id.Number] = true
			}
			for ended[low] {
				delete(ended, low)
				low++
			}
			continue
		}
		id := ids.next()
		if id.Session != session {
			if last := low + LimitOutstanding - 1; id.Number != 1 || uint64(len(ended)) >= last {
				t.Fatalf("a new session begins with number %d", id.Number)
			}
			session, low, ended, renewed = id.Session, 1, map[uint64]bool{}, renewed+1
		}
		if id.Low != low || id.Number-id.Low >= LimitOutstanding {
			t.Fatalf("number %d names %d as the lowest outstanding; it is %d", id.Number, id.Low, low)
		}
		outstanding = append(outstanding, id)
	}
	if renewed == 0 || low < LimitOutstanding {
		t.Errorf("%d sessions came to their limit, and the last one to %d", renewed, low)
	}
}
