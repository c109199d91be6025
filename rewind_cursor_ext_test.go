package mainstem_test

import (
	"context"
	"errors"
	"testing"

	"github.com/mainstemdb/mainstem"
)

// TestRewindLeavesCursors: a follower's cursor is not in any group that can be
// rewound, so a rewind is delivered as the change it is, and nothing is
// delivered twice.
func TestRewindLeavesCursors(t *testing.T) {
	db := open(t)
	g := db.Group("g")
	before := do(t, g, "one", func(tx *mainstem.Txn) error { tx.Put("k", []byte("1")); return nil })
	do(t, g, "two", func(tx *mainstem.Txn) error { tx.Put("k", []byte("2")); return nil })
	enough := errors.New("seen what was asked for")
	count := func() int64 {
		v, err := db.Get(within(t), mainstem.FollowGroup("f", "g"), "seen", mainstem.Latest())
		must(t, err)
		return v.Value.Int
	}
	follow := func(until int64) {
		ctx, stop := context.WithCancelCause(within(t))
		ended := make(chan error, 1)
		go func() {
			ended <- db.Follow(ctx, "f", mainstem.Match{Groups: []string{"g"}}, func(_ context.Context, tx *mainstem.Txn, batch []mainstem.Change) error {
				tx.Add("seen", int64(len(batch)))
				return nil
			})
		}()
		for range db.Changes(ctx, mainstem.From{}) {
			if count() >= until {
				break
			}
		}
		stop(enough)
		if err := <-ended; !errors.Is(err, enough) {
			t.Errorf("the follower ended with %v", err)
		}
	}
	follow(2)
	if done := rewind(t, g, "undo", "", before.Position); done.Keys != 1 {
		t.Errorf("rewound %+v, want one key", done)
	}
	follow(3)
	if n := count(); n != 3 {
		t.Errorf("%d changes were delivered, want 3: two writes and the rewind", n)
	}
	_, err := db.Group(mainstem.FollowGroup("f", "g")).Rewind(within(t), "cursors", "", before.Position)
	if mainstem.CodeOf(err) != mainstem.Invalid {
		t.Errorf("rewinding a follower's own group: %v, want invalid", err)
	}
}
