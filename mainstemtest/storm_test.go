package mainstemtest_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/sim"
	"github.com/mainstemdb/mainstem/mainstemtest"
)

// stubborn repeats a call under its ID until the outcome is known.
func stubborn(ctx context.Context, g mainstem.Group, id string, fn func(*mainstem.Txn) error) (*mainstem.Receipt, error) {
	for {
		r, err := g.Do(ctx, id, fn)
		if code := mainstem.CodeOf(err); code != mainstem.Undecided && code != mainstem.Unavailable || ctx.Err() != nil {
			return r, err
		}
	}
}

// TestExactlyOnceInAStorm: whatever a network loses, delays and repeats, and
// however it stalls and breaks off, each ID takes effect once.
func TestExactlyOnceInAStorm(t *testing.T) {
	sim.Rounds(t, 20, func(t *testing.T, seed uint64) {
		over(t, func(t *testing.T, b mainstem.Backend) {
			net := mainstemtest.NewFlaky(b)
			net.Storm(seed, 0.5)
			const workers, each = 4, 15
			var all sync.WaitGroup
			for w := range workers {
				all.Go(func() {
					g := mainstem.New(net).Group("g")
					for i := range each {
						id := name(w*each + i)
						if _, err := stubborn(t.Context(), g, id, func(tx *mainstem.Txn) error {
							v, err := tx.Get(t.Context(), "sum")
							tx.Set("sum", v.Value.Int+1)
							tx.Add("n", 1)
							tx.Append("s", mainstem.Event{Type: "t", Data: []byte(id)})
							return err
						}); err != nil {
							t.Errorf("%s: %v", id, err)
						}
					}
				})
			}
			all.Wait()
			net.Storm(0, 0)
			net.Arrive(t.Context())
			once(t, b, workers*each)
		})
	})
}

// once checks that each of n IDs took effect once, by three witnesses.
func once(t *testing.T, b mainstem.Backend, n int) {
	t.Helper()
	v, err := mainstem.New(b).Group("g").View(t.Context(), mainstem.Latest())
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for _, counter := range []string{"n", "sum"} {
		if got, err := v.Get(t.Context(), counter); err != nil || got.Value.Int != int64(n) {
			t.Errorf("(L5) counter %s is %v, %v, want %d", counter, got.Value, err, n)
		}
	}
	times := map[string]int{}
	for e, err := range v.Events(t.Context(), "s", 0) {
		if err != nil {
			t.Fatal(err)
		}
		times[string(e.Data)]++
	}
	for i := range n {
		if times[name(i)] != 1 || committed(t, b, name(i)) != 1 {
			t.Errorf("(L5) %s stands %d times in the stream and %d times in the feed", name(i), times[name(i)], committed(t, b, name(i)))
		}
	}
}

func TestPauseWaitsAndCutFails(t *testing.T) {
	over(t, func(t *testing.T, b mainstem.Backend) {
		net := mainstemtest.NewFlaky(b)
		g := mainstem.New(net).Group("g")
		add := func(ctx context.Context, id string) error {
			_, err := g.Do(ctx, id, func(tx *mainstem.Txn) error {
				tx.Add("n", 1)
				return nil
			})
			return err
		}
		net.Pause()
		short, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		defer cancel()
		if err := add(short, "a"); mainstem.CodeOf(err) != mainstem.Unavailable { // its lookup is a View
			t.Errorf("while paused: %v, want unavailable", err)
		}
		answer := make(chan error)
		go func() { answer <- add(t.Context(), "b") }()
		net.Resume()
		if err := <-answer; err != nil {
			t.Errorf("after the pause: %v", err)
		}
		net.Cut()
		if err := add(t.Context(), "c"); mainstem.CodeOf(err) != mainstem.Unavailable {
			t.Errorf("while cut off: %v, want unavailable", err)
		}
		net.Heal()
		if err := add(t.Context(), "c"); err != nil {
			t.Errorf("healed: %v", err)
		}
	})
}

func TestCutEndsFeedsThatRun(t *testing.T) {
	over(t, func(t *testing.T, b mainstem.Backend) {
		net := mainstemtest.NewFlaky(b)
		db := mainstem.New(net)
		set(t, db.Group("g"), "k", "1")
		var seen mainstem.Token
		begun, ended := make(chan struct{}), make(chan error, 1)
		go func() {
			for batch, err := range db.Changes(t.Context(), mainstem.From{}) {
				if err != nil {
					ended <- err
					return
				}
				seen = batch.Token
				close(begun)
			}
			ended <- nil
		}()
		<-begun
		net.Cut()
		if err := <-ended; mainstem.CodeOf(err) != mainstem.Unavailable {
			t.Fatalf("the feed ended with %v, want unavailable", err)
		}
		net.Heal()
		set(t, db.Group("g"), "k", "2")
		n := 0
		for batch, err := range db.Changes(t.Context(), mainstem.From{After: seen, Drain: true}) {
			if err != nil {
				t.Fatal(err)
			}
			n += len(batch.Changes)
		}
		if n != 1 {
			t.Errorf("resumed after its token, the feed gave %d changes, want 1", n)
		}
	})
}

// storm is how often each fault had been done after each of 40 calls, to the
// model and to the product.
func storm(t *testing.T, seed uint64) (counts [2][40][7]int) {
	to := 0
	over(t, func(t *testing.T, b mainstem.Backend) {
		defer func() { to++ }()
		net := mainstemtest.NewFlaky(b)
		net.Storm(seed, 0.6)
		for i := range counts[to] {
			_, err := stubborn(t.Context(), mainstem.New(net).Group("g"), name(i), func(tx *mainstem.Txn) error {
				tx.Add("n", 1)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			for f := range counts[to][i] {
				counts[to][i][f] = net.Count(mainstemtest.Fault(f))
			}
		}
	})
	return counts
}

// TestOneSeedIsOneStorm: from one goroutine a storm replays, fault by fault,
// over whatever is behind it; another seed is another storm.
func TestOneSeedIsOneStorm(t *testing.T) {
	first, second := storm(t, 42), storm(t, 42)
	for what, pair := range map[string][2][40][7]int{
		"model, twice": {first[0], second[0]}, "product, twice": {first[1], second[1]}, "model and product": first,
	} {
		for i, n := range pair[0] {
			if n != pair[1][i] {
				t.Errorf("%s: after call %d of one seed's storm the faults were %v, and %v", what, i+1, n, pair[1][i])
				break
			}
		}
	}
	if first == storm(t, 43) {
		t.Error("two seeds gave the same storm")
	}
	for f, n := range first[1][39] {
		if n == 0 {
			t.Errorf("the storm never did %q", mainstemtest.Fault(f))
		}
	}
}
