package node_test

import (
	"fmt"
	"testing"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/node"
)

// TestWhoIsBehindGetsManyRecordsAtOnce: each transaction is a record of its own,
// and a follower that comes later gets them in batches that are full, from the
// log and from memory; whatever token it stopped at, the rest is what follows.
func TestWhoIsBehindGetsManyRecordsAtOnce(t *testing.T) {
	const count = 100
	for _, large := range []bool{false, true} {
		t.Run(fmt.Sprint("large=", large), func(t *testing.T) {
			value := "small"
			if large {
				value = string(make([]byte, 50_000)) // more than memory keeps, and several rounds
			}
			w := start(t, embedded.Memory(16<<20))
			defer w.close()
			for i := range count {
				if a := <-w.later("g", fmt.Sprint("t", i), put("k", value)); a.err != nil {
					t.Fatal(a.err)
				}
			}
			// A record without transactions ends no token.
			if err := w.db.Backend().(*node.Node).Checkpoint(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, most := range []int{0, 1, 7, 1000} {
				checkGathered(t, w, most, large)
			}
		})
	}
}

func checkGathered(t *testing.T, w *world, most int, large bool) {
	const count, perRound = 100, 256<<10/50_000 + 1
	whole, _, err := w.drain(mainstem.From{})
	if err != nil || len(whole) != count {
		t.Fatalf("%d changes of %d: %v", len(whole), count, err)
	}
	batches, seen := 0, 0
	for batch, err := range w.db.Changes(t.Context(), mainstem.From{Max: most, Drain: true}) {
		if err != nil {
			t.Fatal(err)
		}
		batches++
		seen += len(batch.Changes)
		if most > 0 && len(batch.Changes) > most || large && len(batch.Changes) > perRound {
			t.Errorf("with at most %d, a batch has %d changes", most, len(batch.Changes))
		}
		rest, _, err := w.drain(mainstem.From{After: batch.Token})
		if err != nil || fmt.Sprint(rest) != fmt.Sprint(whole[seen:]) {
			t.Fatalf("after %d changes come %d others: %v", seen, len(rest), err)
		}
	}
	want := 1
	switch {
	case most == 1:
		want = count
	case most == 7:
		want = (count + 6) / 7
	}
	if seen != count || !large && batches != want || large && batches < count/perRound {
		t.Errorf("with at most %d, %d changes come in %d batches, want %d", most, seen, batches, want)
	}
}
