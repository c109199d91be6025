package remote_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/proxy"
	"github.com/mainstemdb/mainstem/mainstemtest"
)

// A connection that ends in the middle of a commit leaves a riddle, which the
// same ID solves: it commits once, whatever was lost.
func TestCutCommitIsResolvedByItsID(t *testing.T) {
	for _, c := range []struct {
		name     string
		loss     proxy.Loss
		replayed bool
	}{
		{"answer", proxy.LoseAnswer, true},
		{"request", proxy.LoseIt, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			behind := mainstemtest.Open(t)
			db, net := proxied(t, behind.Backend())
			ctx := within(t, 20*time.Second)
			if _, err := add(ctx, db.DB, "warm", "up"); err != nil {
				t.Fatal(err)
			}
			// The lookup of the ID comes first, on a stream of its own: what is lost
			// is the message with the transaction, which alone names the counter's actor.
			net.LoseOnce("an-actor", c.loss)
			do := func() (*mainstem.Receipt, error) {
				return db.Group("cut").Do(ctx, "order-1", func(tx *mainstem.Txn) error {
					tx.Add("n", 1)
					return nil
				}, mainstem.By(mainstem.Meta{Actor: "an-actor"}))
			}
			_, err := do()
			wantCode(t, err, mainstem.Undecided)
			r, err := do()
			if err != nil {
				t.Fatal(err)
			}
			if r.Replayed != c.replayed {
				t.Errorf("the repetition was replayed: %t", r.Replayed)
			}
			if n := count(t, behind.DB, "cut"); n != 1 {
				t.Errorf("it was counted %d times", n)
			}
		})
	}
}

// Random cuts under load: whatever was acknowledged is there, nothing twice. IDs of
// the library's own go through without the caller hearing of it.
func TestNothingIsLostOrDoubledUnderCuts(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	behind := mainstemtest.Open(t)
	db, net := proxied(t, behind.Backend())
	ctx := within(t, 60*time.Second)
	const callers, each = 8, 40
	var all sync.WaitGroup
	var undecided, done atomic.Int64
	// The seed says after which answers the connections are cut.
	random, cuts := rand.New(rand.NewPCG(seed, 1)), map[int64]bool{}
	for range 12 {
		cuts[1+random.Int64N(2*callers*each-1)] = true
	}
	answered := func() {
		if cuts[done.Add(1)] {
			net.Break()
		}
	}
	for i := range callers {
		all.Go(func() {
			for n := range each {
				if _, err := add(ctx, db.DB, "made", ""); err != nil {
					t.Errorf("an ID of the library's: %v", err)
					return
				}
				answered()
				id := fmt.Sprintf("%d-%d", i, n)
				for {
					_, err := add(ctx, db.DB, "own", id)
					if err == nil {
						answered()
						break
					}
					if mainstem.CodeOf(err) == mainstem.Undecided {
						undecided.Add(1)
					}
					if !mainstem.CodeOf(err).Retryable() || ctx.Err() != nil {
						t.Errorf("%s: %v", id, err)
						return
					}
				}
			}
		})
	}
	all.Wait()
	for _, group := range []string{"made", "own"} {
		if n := count(t, behind.DB, group); n != callers*each {
			t.Errorf("seed %d: in group %s %d are counted, %d were acknowledged", seed, group, n, callers*each)
		}
	}
	t.Logf("%d cuts, %d undecided", len(cuts), undecided.Load())
}

// A feed that breaks goes on after its last token, without gap and without
// repetition; a view that breaks says so.
func TestFeedGoesOnAfterCuts(t *testing.T) {
	behind := mainstemtest.Open(t)
	db, net := proxied(t, behind.Backend())
	ctx := within(t, 30*time.Second)
	const changes, ahead = 300, 60
	read := make(chan struct{}, changes)
	go func() {
		for i := range changes {
			if i >= ahead { // else all of it is on the way before anything is cut
				select {
				case <-read:
				case <-ctx.Done():
					return
				}
			}
			if _, err := add(ctx, behind.DB, "g", fmt.Sprint(i)); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	var seen, breaks int
	last := mainstem.Position(0)
	from := mainstem.From{Max: 5}
	for seen < changes {
		for batch, err := range db.Changes(ctx, from) {
			if err != nil {
				wantCode(t, err, mainstem.Unavailable)
				breaks++
				break
			}
			for _, c := range batch.Changes {
				if c.Position != last+1 {
					t.Fatalf("after position %d came %d", last, c.Position)
				}
				last = c.Position
				seen++
				read <- struct{}{}
			}
			from.After = batch.Token
			if seen >= changes {
				break
			}
			if breaks < 5 && seen > 50*(breaks+1) {
				net.Break()
			}
		}
		if ctx.Err() != nil {
			t.Fatalf("%d of %d changes: %v", seen, changes, context.Cause(ctx))
		}
	}
	if breaks == 0 {
		t.Error("the feed never broke")
	}
}

func TestViewEndsWithItsConnection(t *testing.T) {
	behind := mainstemtest.Open(t)
	db, net := proxied(t, behind.Backend())
	ctx := within(t, 20*time.Second)
	if _, err := add(ctx, behind.DB, "g", "a"); err != nil {
		t.Fatal(err)
	}
	view, err := db.Group("g").View(ctx, mainstem.Latest())
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	if _, err := add(ctx, behind.DB, "g", "b"); err != nil {
		t.Fatal(err)
	}
	v, err := view.Get(ctx, "n")
	if err != nil || v.Value.Int != 1 {
		t.Errorf("a view that was opened before is at %v, %v", v, err)
	}
	net.Break()
	_, err = view.Get(ctx, "n")
	wantCode(t, err, mainstem.Unavailable)
	if n := count(t, db.DB, "g"); n != 2 {
		t.Errorf("a new view is at %d", n)
	}
}
