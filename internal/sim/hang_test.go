package sim

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/disk"
)

// said is a definite answer given while a sync hung.
type said struct {
	what string
	// rests is true of an answer that is right only if the hanging transaction
	// has committed.
	rests bool
}

// TestNothingSpeculativeLeaves lets a sync hang, asks everything that could be
// judged against what hangs, and cuts the power: none of the answers given may
// have rested on what is lost (L4).
func TestNothingSpeculativeLeaves(t *testing.T) {
	Rounds(t, 25, func(t *testing.T, seed uint64) {
		r := Rand(seed)
		w := newWorldOn(seed, 0) // nothing reaches the disk before its sync
		w.faults.Watch(nil)
		db, err := openOn(t.Context(), w.faults)
		if err != nil {
			t.Fatal(err)
		}
		g := db.Group("g")
		for i := range r.IntN(4) {
			if _, err := g.Do(t.Context(), fmt.Sprint("before-", i), func(tx *mainstem.Txn) error { tx.Add("n", 1); return nil }); err != nil {
				t.Fatal(err)
			}
		}
		let, struck := make(chan struct{}), make(chan struct{}, 1)
		w.faults.Inject(disk.Fault{Kind: disk.OpSync, Path: "*.log", Hang: let, Struck: struck, Stays: true})
		var hanging sync.WaitGroup
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		var acked error
		hanging.Go(func() { _, acked = db.Backend().Commit(ctx, pending(1)) })
		<-struck
		answers := probe(ctx, db.DB)
		hanging.Wait()
		if mainstem.CodeOf(acked) != mainstem.Undecided {
			t.Errorf("(L4) while its sync hung, the transaction was answered %v, want undecided", acked)
		}
		left, err := w.power.Crash(r.Uint64(), 0)
		close(let)
		w.faults.Heal()
		if err != nil {
			t.Fatal(err)
		}
		_ = db.Close() // the power is off; whatever it says is of no interest
		after, err := openOn(t.Context(), left)
		if err != nil {
			t.Fatal(err)
		}
		defer after.Close()
		v, err := after.Group("g").Get(t.Context(), "k", mainstem.Latest())
		if err != nil || v.Exists {
			t.Fatalf("nothing was synced, and yet k is %+v, %v", v, err)
		}
		for _, a := range answers {
			if a.rests {
				t.Errorf("(L4) while the sync hung: %s; the power cut took what it rested on", a.what)
			}
		}
	})
}

// pending is the transaction that hangs.
func pending(attempt uint32) *mainstem.Transaction {
	return &mainstem.Transaction{
		Group: "g", ID: mainstem.ID{Opaque: "pending"}, Attempt: attempt,
		Operations: []mainstem.Operation{
			mainstem.Put{Name: "k", Value: mainstem.Bytes([]byte("v"))},
			mainstem.Append{Stream: "s", Events: []mainstem.Event{{Type: "t"}}},
			mainstem.Acquire{Lease: "l", Owner: "o", TTL: time.Hour},
		},
	}
}

// probe asks, all at once, everything whose answer would show the hanging
// transaction, and collects what is answered for sure.
func probe(ctx context.Context, db *mainstem.DB) (answers []said) {
	var mu sync.Mutex
	note := func(what string, rests bool) {
		mu.Lock()
		defer mu.Unlock()
		answers = append(answers, said{what, rests})
	}
	var all sync.WaitGroup
	rejected := func(name string, c mainstem.Condition, o mainstem.Operation, code mainstem.Code) {
		all.Go(func() {
			t := &mainstem.Transaction{Group: "g", ID: mainstem.ID{Opaque: name}, Attempt: 1, Operations: []mainstem.Operation{o}}
			if c != nil {
				t.Conditions = []mainstem.Condition{c}
			}
			r, err := db.Backend().Commit(ctx, t)
			if !uncertain(err) {
				note(fmt.Sprintf("%s was answered %v, %v", name, r, err), err == nil || mainstem.CodeOf(err) == code)
			}
		})
	}
	put := mainstem.Put{Name: "other", Value: mainstem.Int(1)}
	rejected("create", mainstem.KeyAbsent{Name: "k"}, put, mainstem.Exists)
	rejected("unchanged", mainstem.KeyUnchanged{Name: "k"}, put, mainstem.Conflict)
	rejected("range", mainstem.RangeUnchanged{From: "k"}, put, mainstem.Conflict)
	rejected("length", mainstem.StreamLength{Stream: "s"}, put, mainstem.Conflict)
	rejected("void", nil, mainstem.Void{ID: "pending"}, mainstem.Exists)
	rejected("held", nil, mainstem.Acquire{Lease: "l", Owner: "p", TTL: time.Hour}, mainstem.Held)
	rejected("typed", nil, mainstem.Add{Name: "k", Delta: 1}, mainstem.Invalid)
	all.Go(func() {
		r, err := db.Backend().Commit(ctx, pending(2))
		if !uncertain(err) {
			note(fmt.Sprintf("the retry was answered %v, %v", r, err), true)
		}
	})
	for _, at := range []mainstem.Consistency{mainstem.Latest(), mainstem.Local(), mainstem.Within(time.Minute)} {
		all.Go(func() {
			s, err := db.Backend().View(ctx, mainstem.ViewRequest{Group: "g", At: at, ID: mainstem.ID{Opaque: "pending"}})
			if err != nil {
				return
			}
			defer s.Close()
			a, err := s.Read(ctx, mainstem.Query{Kind: mainstem.QueryGet, Group: "g", Name: "k"})
			seen := s.Known() != nil || err == nil && len(a.Versions) > 0 && a.Versions[0].Exists
			note(fmt.Sprintf("a view of level %d saw %v, %v", at.Level, s.Known(), a.Versions), seen)
		})
	}
	all.Go(func() {
		for batch, err := range db.Changes(ctx, mainstem.From{Drain: true}) {
			for _, c := range batch.Changes {
				note("the feed had "+c.ID.String(), err == nil && c.ID.Opaque == "pending")
			}
		}
	})
	all.Wait()
	return answers
}
