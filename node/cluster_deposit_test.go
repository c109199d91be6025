package node_test

import (
	"context"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
)

// TestTrimNeedsTwoSnapshotsInTheStore that were read back there: one is not enough, a
// damaged one does not count, and without a store a shared log is never trimmed.
func TestTrimNeedsTwoSnapshotsInTheStore(t *testing.T) {
	trims := func(t *testing.T, c *cluster) bool {
		t.Helper()
		if err := c.nodes[0].Trim(t.Context()); err != nil {
			t.Fatal(err)
		}
		oldest, _ := c.store.Records()
		return oldest > 1
	}
	step := func(t *testing.T, c *cluster) {
		t.Helper()
		c.filled(c.nodes[0], "x")
		if err := c.nodes[0].Snapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.filled(c.nodes[0], "y")
	}
	t.Run("in turn", func(t *testing.T) {
		c, _ := shelved(t, 1)
		if step(t, c); trims(t, c) {
			t.Error("the log is trimmed below one snapshot")
		}
		if step(t, c); !trims(t, c) {
			t.Error("the log is not trimmed below two snapshots")
		}
	})
	t.Run("damaged", func(t *testing.T) {
		c, s := shelved(t, 1)
		step(t, c)
		s.damage(t, s.named(t, "/chunk")[0])
		if step(t, c); trims(t, c) {
			t.Error("the log is trimmed below a damaged snapshot (L12)")
		}
		if step(t, c); !trims(t, c) {
			t.Error("with two sound ones it is not trimmed")
		}
	})
	t.Run("by another process", func(t *testing.T) {
		c, s := shelved(t, 1)
		step(t, c)
		step(t, c)
		c.stop(c.nodes[0])
		s.damage(t, s.named(t, "/chunk")[0])
		c.start(c.nodes[0])
		if trims(t, c) {
			t.Error("a node that has not read it back trims below a damaged snapshot (L12)")
		}
	})
	t.Run("without a store", func(t *testing.T) {
		c := gather(t, 1, embedded.Retain(0))
		step(t, c)
		if step(t, c); trims(t, c) {
			t.Error("a log is trimmed that a new node could then not follow")
		}
	})
}

// TestTwoSnapshotsAreKept, and a store that is away costs nothing but space.
func TestTwoSnapshotsAreKept(t *testing.T) {
	c, s := shelved(t, 1)
	a := c.nodes[0]
	for range 4 {
		c.filled(a, "x")
		if err := a.Snapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if all := s.named(t, "/manifest"); len(all) != 2 {
		t.Errorf("%d snapshots are in the store, want two: %q", len(all), all)
	}
	s.left.Store(0)
	c.filled(a, "away")
	if err := a.Snapshot(t.Context()); mainstem.CodeOf(err) != mainstem.Unavailable {
		t.Errorf("the store is away: %v, want unavailable", err)
	}
	c.put(a, "k", "goes on")
	s.left.Store(2) // in the middle
	if err := a.Snapshot(t.Context()); mainstem.CodeOf(err) != mainstem.Unavailable {
		t.Errorf("the store went away: %v, want unavailable", err)
	}
	s.left.Store(-1)
	if err := a.Snapshot(t.Context()); err != nil {
		t.Error(err)
	}
	if all := s.named(t, "/manifest"); len(all) != 2 {
		t.Errorf("%d snapshots are in the store, want two: %q", len(all), all)
	}
}

// TestTheWriterDepositsByItself: the node that writes, and no other, puts a snapshot into
// the store when an hour of log age has gone by.
func TestTheWriterDepositsByItself(t *testing.T) {
	c, s := shelved(t, 2)
	a := c.nodes[0]
	c.filled(a, "x")
	for range 2 {
		for _, m := range c.nodes {
			m.clock.Advance(61 * time.Minute)
		}
		c.put(a, "k", "later")
		eventually(t, "a snapshot in the store", func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			_ = a.Backend().(interface{ Checkpoint(context.Context) error }).Checkpoint(ctx)
			unsaved := a.figures().Unsaved
			return 0 <= unsaved && unsaved <= time.Minute && len(s.named(t, "/manifest")) > 0
		})
	}
	if f := c.nodes[1].figures(); f.Unsaved != -1 {
		t.Errorf("a node that does not write says that its snapshot is %s old", f.Unsaved)
	}
}
