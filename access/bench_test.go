package access

import (
	"context"
	"fmt"
	"testing"

	"github.com/mainstemdb/mainstem"
)

// free is a Backend that costs nothing, so that what is measured is the guard.
type free struct{ mainstem.Backend }

func (free) Commit(context.Context, *mainstem.Transaction) (*mainstem.Receipt, error) {
	return nil, nil
}

// hot is a client as in service: several rules, limits, and a transaction that
// the last rule allows.
func hot(t testing.TB) (*Gate, *mainstem.Transaction) {
	t.Helper()
	e := entry("web", Rule{Rights: []Right{Read}, Groups: []string{"carts-*"}}, Rule{Rights: []Right{Feed}, Groups: []string{"orders-*"}},
		Rule{Rights: []Right{Read, Write}, Groups: []string{"stock", "orders-*"}, Prefixes: []string{"stock/", "order-"}})
	e.Limits = Limits{Requests: LimitRate, Burst: LimitRate, Concurrent: 100, Bytes: 1 << 16}
	return gateOf(t, e), &mainstem.Transaction{
		Group: "orders-17", ID: mainstem.ID{Opaque: "order-1"}, Attempt: 1,
		Conditions: []mainstem.Condition{mainstem.KeyAbsent{Name: "order-1"}, mainstem.RangeUnchanged{From: "stock/", To: "stock0", Since: 1}},
		Operations: []mainstem.Operation{mainstem.Put{Name: "order-1"}, mainstem.Add{Name: "stock/a", Delta: -1}},
	}
}

// TestGuardAllocatesOnce: a transaction that passes costs the copy that is signed.
func TestGuardAllocatesOnce(t *testing.T) {
	g, tx := hot(t)
	b := Guard(free{}, as(t, g, "web"))
	got := testing.AllocsPerRun(1000, func() {
		if _, err := b.Commit(t.Context(), tx); err != nil {
			t.Fatal(err)
		}
	})
	if got > 1 {
		t.Errorf("%v allocations, want 1", got)
	}
}

func BenchmarkGuardCommit(b *testing.B) {
	g, tx := hot(b)
	guarded := Guard(free{}, as(b, g, "web"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := guarded.Commit(b.Context(), tx); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLookup(b *testing.B) {
	for _, clients := range []int{1, 100, LimitClients} {
		b.Run(fmt.Sprint(clients), func(b *testing.B) {
			p := &Policy{}
			for i := range clients {
				p.Clients = append(p.Clients, entry(fmt.Sprint(i), everything))
			}
			made := makePolicy(p, nil)
			id := HashOf("0")
			b.ReportAllocs()
			for b.Loop() {
				if made.token(id) == nil {
					b.Fatal("not found")
				}
			}
		})
	}
}
