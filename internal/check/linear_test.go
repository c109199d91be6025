package check

import (
	"testing"
	"time"
)

func TestLinearizableJudges(t *testing.T) {
	at := func(op KeyOp, call, ret int64) KeyOp {
		op.Key, op.Call, op.Return, op.Client = "k", call, ret, int(call)
		return op
	}
	put := func(v int64) KeyOp { return KeyOp{Kind: Put, Value: v} }
	get := func(v int64) KeyOp { return KeyOp{Kind: Get, Saw: Register{Exists: true, Value: v}} }
	cas := func(was, v int64, refused bool) KeyOp {
		return KeyOp{Kind: CompareAndSet, Expect: Register{Exists: true, Value: was}, Value: v, Refused: refused}
	}
	take := func(saw int64, refused bool) KeyOp {
		return KeyOp{Kind: Add, Value: -1, Saw: Register{Exists: true, Value: saw}, Refused: refused}
	}
	lost := put(2)
	lost.Undecided = true
	for _, c := range []struct {
		name string
		want Verdict
		ops  []KeyOp
	}{
		{"fresh read", Yes, []KeyOp{at(put(1), 1, 2), at(get(1), 3, 4)}},
		{"stale read", No, []KeyOp{at(put(1), 1, 2), at(put(2), 3, 4), at(get(1), 5, 6)}},
		{"read in passing", Yes, []KeyOp{at(put(1), 1, 2), at(put(2), 3, 9), at(get(1), 5, 6)}},
		{"there and back", No, []KeyOp{at(put(1), 1, 2), at(put(2), 3, 9), at(get(2), 4, 5), at(get(1), 6, 7)}},
		{"undecided happened late", Yes, []KeyOp{at(put(1), 1, 2), at(lost, 3, 4), at(get(1), 5, 6), at(get(2), 7, 8)}},
		{"undecided happened twice", No, []KeyOp{at(put(1), 1, 2), at(lost, 3, 4), at(get(2), 5, 6), at(put(1), 7, 8), at(get(2), 9, 10)}},
		{"two winners", No, []KeyOp{at(put(1), 1, 2), at(cas(1, 2, false), 3, 5), at(cas(1, 3, false), 4, 6)}},
		{"one winner", Yes, []KeyOp{at(put(1), 1, 2), at(cas(1, 2, false), 3, 5), at(cas(1, 3, true), 4, 6)}},
		{"wrongly refused", No, []KeyOp{at(put(1), 1, 2), at(cas(1, 2, true), 3, 5)}},
		{"oversold", No, []KeyOp{at(put(1), 1, 2), at(take(0, false), 3, 4), at(take(0, false), 5, 6)}},
		{"sold out", Yes, []KeyOp{at(put(1), 1, 2), at(take(0, false), 3, 6), at(take(0, true), 4, 5)}},
		{"deleted", No, []KeyOp{at(put(1), 1, 2), at(KeyOp{Kind: Delete}, 3, 4), at(get(1), 5, 6)}},
	} {
		if got, why := Linearizable(c.ops, 10*time.Second); got != c.want {
			t.Errorf("%s: %s (%s), want %s", c.name, got, why, c.want)
		}
	}
}

// TestLinearizableSaysUnknown gives the checker more than it can do in no time.
func TestLinearizableSaysUnknown(t *testing.T) {
	var ops []KeyOp
	for i := range int64(60) { // all at once, and a read that nothing explains
		ops = append(ops, KeyOp{Kind: Put, Key: "k", Value: i, Call: 1, Return: 100, Client: int(i)})
	}
	ops = append(ops, KeyOp{Kind: Get, Key: "k", Saw: Register{Exists: true, Value: -1}, Call: 1, Return: 100, Client: 60})
	if got, why := Linearizable(ops, time.Millisecond); got != Unknown || why == "" {
		t.Errorf("%s (%s), want unknown with its reason", got, why)
	}
}
