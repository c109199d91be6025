package mainstem_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/mainstemdb/mainstem"
)

// beginning is the key of what begin gave to a delivery.
type beginning struct{}

// witness notes with which contexts a Backend commits.
type witness struct {
	mainstem.Backend
	mu        sync.Mutex
	followers map[string]int
	begun     int
}

func (w *witness) Commit(ctx context.Context, t *mainstem.Transaction) (*mainstem.Receipt, error) {
	w.mu.Lock()
	w.followers[mainstem.FollowerOf(ctx)]++
	if ctx.Value(beginning{}) != nil {
		w.begun++
	}
	w.mu.Unlock()
	return w.Backend.Commit(ctx, t)
}

// TestFollowAround: every delivery is between begin and end, which hears what came
// of it; the function and its transaction work with the context that begin gave.
func TestFollowAround(t *testing.T) {
	var mu sync.Mutex
	var ends []error
	w := &witness{Backend: open(t).Backend(), followers: map[string]int{}}
	db := mainstem.New(w)
	feed(t, db, 1, 1)
	again := mainstem.Errorf(mainstem.Unavailable, "not yet")
	calls := 0
	stop := follow(t, db, "f", func(ctx context.Context, tx *mainstem.Txn, batch []mainstem.Change) error {
		if ctx.Value(beginning{}) == nil || mainstem.FollowerOf(ctx) != "f" {
			t.Errorf("the function has another context than begin gave, for %q", mainstem.FollowerOf(ctx))
		}
		if calls++; calls == 1 {
			return again
		}
		return count(ctx, tx, batch)
	}, mainstem.Around(func(ctx context.Context, batch []mainstem.Change) (context.Context, func(error)) {
		if len(batch) != 1 || mainstem.FollowerOf(ctx) != "f" {
			t.Errorf("begin is told of %d changes, for %q", len(batch), mainstem.FollowerOf(ctx))
		}
		return context.WithValue(ctx, beginning{}, true), func(err error) {
			mu.Lock()
			defer mu.Unlock()
			ends = append(ends, err)
		}
	}))
	until(t, db, "it is counted", allCounted(t, db, "f", 1, 1))
	stop()
	mu.Lock()
	defer mu.Unlock()
	if len(ends) != 2 || !errors.Is(ends[0], again) || ends[1] != nil {
		t.Errorf("deliveries ended with %v", ends)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.followers) != 2 || w.followers["f"] == 0 || w.followers[""] != 1 || w.begun != 1 {
		t.Errorf("commits for %v, %d of them deliveries", w.followers, w.begun)
	}
}
