package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/check"
)

// Keys runs clients that read, write, compare-and-set and take from a few keys
// at once, and returns what they saw.
func Keys(ctx context.Context, db *mainstem.DB, seed uint64, clients, each int) []check.KeyOp {
	h := &histories{began: time.Now()}
	var all sync.WaitGroup
	for c := range clients {
		all.Go(func() {
			r := Rand(seed + uint64(c)<<40)
			for i := range each {
				h.key(ctx, db, r, c, i)
			}
		})
	}
	all.Wait()
	return h.ops
}

func (h *histories) key(ctx context.Context, db *mainstem.DB, r *rand.Rand, client, i int) {
	kinds := []check.Kind{check.Get, check.Get, check.Put, check.CompareAndSet, check.Add, check.Delete}
	op := check.KeyOp{
		Client: client, Key: fmt.Sprint("k", r.IntN(3)), Kind: kinds[r.IntN(len(kinds))],
		Value: int64(1 + r.IntN(3)), Expect: check.Register{Exists: true, Value: int64(r.IntN(4))},
	}
	if op.Kind == check.Add {
		op.Value = int64(r.IntN(5) - 3)
	}
	op.Call = h.now()
	code := mainstem.CodeOf(sendKey(ctx, db, &op, fmt.Sprintf("c%d.%d", client, i)))
	op.Return = h.now()
	switch code {
	case 0:
	case mainstem.Conflict, mainstem.OutOfRange:
		op.Refused = true
	default:
		op.Undecided = true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, op)
}

// sendKey sends one operation and notes what came back.
func sendKey(ctx context.Context, db *mainstem.DB, op *check.KeyOp, id string) error {
	t := &mainstem.Transaction{Group: "g", ID: mainstem.ID{Opaque: id}, Attempt: 1}
	switch op.Kind {
	case check.Get:
		v, err := db.Get(ctx, "g", op.Key, mainstem.Latest())
		op.Saw = check.Register{Exists: v.Exists, Value: v.Value.Int}
		return err
	case check.Delete:
		t.Operations = []mainstem.Operation{mainstem.Delete{Name: op.Key}}
	case check.Add:
		t.Operations = []mainstem.Operation{mainstem.Add{Name: op.Key, Delta: op.Value, Floor: &op.Floor}}
	case check.CompareAndSet:
		t.Conditions = []mainstem.Condition{mainstem.KeyEquals{Name: op.Key, Value: mainstem.Int(op.Expect.Value)}}
		fallthrough
	default:
		t.Operations = []mainstem.Operation{mainstem.Put{Name: op.Key, Value: mainstem.Int(op.Value)}}
	}
	r, err := db.Backend().Commit(ctx, t)
	if err == nil && op.Kind == check.Add {
		op.Saw = check.Register{Exists: true, Value: r.Results[0].Counter}
	}
	return err
}
