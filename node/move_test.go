package node_test

import (
	"context"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/internal/sharedlog"
	"github.com/mainstemdb/mainstem/journal"
	"github.com/mainstemdb/mainstem/node"
)

// TestMove: three nodes move to another log. Positions, tokens and IDs stay what they
// were, feeds go on where they were, also through a second move, and nodes that start
// on the old log, the new one, or with nothing come to the same.
func TestMove(t *testing.T) {
	c, w := movable(t, 3)
	a, b, d := c.nodes[0], c.nodes[1], c.nodes[2]
	first := w.add("log://first", 1, 1)
	before := c.fill(a, "k", 30)
	moved := c.move(b, "log://first")
	if moved.Copied == 0 || moved.WritePause <= 0 || moved.Generation != hex.EncodeToString(first.id[:]) {
		t.Errorf("the move came to %+v", moved)
	}
	after := c.fill(d, "l", 30)
	if got, want := after[0].Position, before[29].Position+1; got != want {
		t.Errorf("the first position after the move is %s, want %s (L1)", got, want)
	}
	c.same()
	for _, m := range c.nodes {
		c.want(m, mainstem.Latest(), "l29", "29")
		c.want(m, mainstem.AtLeast(before[29].Token.Merge(after[29].Token)), "k3", "3")
		c.want(m, mainstem.AsOf(before[5].Position), "k5", "5")
		if feed := c.feed(m); len(feed) != 60 || m.generation() != moved.Generation {
			t.Errorf("node %s has %d changes in generation %s; want 60 in %s", m.name, len(feed), m.generation(), moved.Generation)
		}
		if w := m.report().Writer; w != "a" {
			t.Errorf("%q writes after the move, want a as before", w)
		}
	}
	if _, records := c.store.Records(); len(records) > 30+10 {
		t.Errorf("the log that was left has %d records", len(records))
	}
	again, err := a.Group("g").Do(t.Context(), "once", func(tx *mainstem.Txn) error { tx.Put("once", nil); return nil })
	if err != nil {
		t.Fatal(err)
	}
	w.add("log://second", 2, 1)
	c.move(a, "log://second")
	replayed, err := b.Group("g").Do(t.Context(), "once", func(tx *mainstem.Txn) error { tx.Put("once", nil); return nil })
	if err != nil || !replayed.Replayed || replayed.Position != again.Position {
		t.Errorf("the ID of before comes back as %+v, %v (L5)", replayed, err)
	}
	c.put(d, "m", "m")
	for _, start := range []string{"", "log://first", "log://second"} {
		c.at = start
		for _, m := range c.nodes {
			c.restart(m)
			c.want(m, mainstem.Latest(), "m", "m")
			if n := len(c.feed(m)); n != 62 {
				t.Errorf("started at %q, the feed of node %s has %d changes, want 62", start, m.name, n)
			}
		}
		c.stop(d)
		if err := d.fs.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		c.start(d) // with nothing
		c.want(d, mainstem.AtLeast(before[29].Token), "m", "m")
		c.same()
	}
}

// TestMoveRefuses: a target that cannot be moved to is refused, and nothing happens.
func TestMoveRefuses(t *testing.T) {
	c, w := movable(t, 2)
	a, b := c.nodes[0], c.nodes[1]
	c.put(a, "k", "v")
	w.add("log://two", 2, 2)
	w.add("log://good", 4, 1)
	other, ow := movable(t, 1)
	ow.add("log://theirs", 3, 1)
	other.put(other.nodes[0], "k", "w")
	other.move(other.nodes[0], "log://theirs")
	w.all["log://theirs"] = ow.all["log://theirs"]
	w.all["log://home"] = &place{id: clusterID, stores: []*sharedlog.Store{c.store}}
	for url, want := range map[string]struct {
		code mainstem.Code
		says string
	}{
		"log://nowhere":            {mainstem.Unavailable, "not reached"},
		"log://two":                {mainstem.Invalid, "2 partitions"},
		"log://theirs":             {mainstem.Invalid, "neither empty nor a copy"},
		"":                         {mainstem.Invalid, "0 bytes"},
		strings.Repeat("x", 1_025): {mainstem.Invalid, "1025 bytes"},
	} {
		if _, err := c.tryMove(a, url, nil); mainstem.CodeOf(err) != want.code || !strings.Contains(err.Error(), want.says) {
			t.Errorf("moving to %.20s: %v, want %v that says %q", url, err, want.code, want.says)
		}
	}
	home := a.generation()
	if _, err := c.tryMove(a, "log://home", nil); err != nil || a.generation() != home {
		t.Errorf("moving to where it is: %v, and it is at %s", err, a.generation())
	}
	w.bar("b", "log://good", true)
	_, err := c.tryMove(a, "log://good", nil)
	if mainstem.CodeOf(err) != mainstem.Unavailable || !strings.Contains(err.Error(), ": b;") {
		t.Errorf("a member does not reach the target: %v, want its name", err)
	}
	c.put(b, "k", "still here")
	if got := a.generation(); got != home {
		t.Errorf("a move that was given up went to %s", got)
	}
	w.bar("b", "log://good", false)
	c.move(a, "log://good") // goes on with the copy
	c.want(b, mainstem.Latest(), "k", "still here")
	if _, err := c.tryMove(b, "log://home", nil); mainstem.CodeOf(err) != mainstem.Invalid || !strings.Contains(err.Error(), "left") {
		t.Errorf("moving back to the log that was left: %v", err)
	}
}

// TestUnfinishedCopyIsNotLive: a node that starts on a copy that nothing has moved to
// does not serve it (a log is live only if a record names it).
func TestUnfinishedCopyIsNotLive(t *testing.T) {
	c, w := movable(t, 2)
	a, b := c.nodes[0], c.nodes[1]
	w.add("log://copy", 1, 1)
	c.fill(a, "k", 5)
	w.bar("b", "log://copy", true)
	if _, err := c.tryMove(a, "log://copy", nil); err == nil {
		t.Fatal("moved without b")
	}
	c.stop(b)
	c.at = "log://copy"
	for _, state := range []string{"with its state", "with none"} {
		if err := c.tryStart(b); mainstem.CodeOf(err) != mainstem.Invalid || !strings.Contains(err.Error(), "no record moves to") {
			t.Errorf("%s, a node on an unfinished copy: %v", state, err)
		}
		if err := b.fs.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	c.at = ""
	c.start(b)
	c.want(b, mainstem.Latest(), "k4", "4")
}

// TestMoveOfATrimmedLog: what begins behind a base needs a snapshot there, which is
// carried before the move is recorded; then it goes on like any other, and what is
// gone is said to be trimmed.
func TestMoveOfATrimmedLog(t *testing.T) {
	c, w := movable(t, 1)
	a := c.nodes[0]
	w.add("log://to", 1, 1)
	before := c.fill(a, "k", 20)
	oldest, _ := c.store.Records()
	cut, err := findSlot(c, 12)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.log.Trim(t.Context(), cut); err != nil {
		t.Fatal(err)
	}
	if now, _ := c.store.Records(); now == oldest {
		t.Fatal("nothing was trimmed")
	}
	if _, err := c.tryMove(a, "log://to", nil); mainstem.CodeOf(err) != mainstem.Invalid || !strings.Contains(err.Error(), "snapshot") {
		t.Errorf("moving without a snapshot: %v", err)
	}
	var steps []string
	w.all["log://to"].blobs = newShelf(disk.NewMem())
	c.restart(a)
	if _, err := c.tryMove(a, "log://to", func(step string) { steps = append(steps, step) }); err != nil {
		t.Fatal(err)
	}
	if i := slices.Index(steps, node.MoveSnapshot); i < 0 || steps[i+1] != node.MoveCommit {
		t.Errorf("the steps were %v", steps)
	}
	c.put(a, "after", "v")
	for _, start := range []string{"", "log://to"} {
		c.at = start
		c.restart(a)
		c.want(a, mainstem.Latest(), "after", "v")
		n := 0
		for batch, err := range a.Changes(t.Context(), mainstem.From{After: before[14].Token, Drain: true}) {
			if err != nil {
				t.Fatal(err)
			}
			n += len(batch.Changes)
		}
		if n != 6 {
			t.Errorf("behind the 15th, the feed has %d changes, want 6", n)
		}
		for _, err := range a.Changes(t.Context(), mainstem.From{After: before[3].Token, Drain: true}) {
			if mainstem.CodeOf(err) != mainstem.Trimmed {
				t.Errorf("behind the 4th, the feed says %v, want trimmed", err)
			}
			break
		}
	}
	// A node that has nothing begins with the snapshot, whose slots are those of the
	// log before.
	m := &member{name: "new", fs: newMem(), clock: newClock()}
	c.nodes = append(c.nodes, m)
	c.start(m)
	c.want(m, mainstem.Latest(), "k3", "3")
	c.put(m, "later", "v")
	c.same()
}

// hoarding is a log that keeps what it is told to forget, as a stream does from which
// nobody can delete.
type hoarding struct{ journal.Log }

func (hoarding) Trim(context.Context, uint64) error { return nil }

// TestMoveLeavesBehind: a log of which an engine forgets nothing begins, after a move, with
// the oldest record that somebody may still ask for.
func TestMoveLeavesBehind(t *testing.T) {
	c, w := movable(t, 1, embedded.Snapshots(newShelf(disk.NewMem())), embedded.Retain(0))
	a := c.nodes[0]
	a.wrap = func(log journal.Log) journal.Log { return hoarding{log} }
	c.restart(a)
	for range 3 {
		c.fill(a, "k", 10)
		a.clock.Advance(time.Hour)
		must(t, a.Snapshot(t.Context()))
	}
	c.put(a, "last", "v")
	must(t, a.Trim(t.Context()))
	if oldest, _ := c.store.Records(); oldest != 1 {
		t.Fatalf("the log begins with slot %d", oldest)
	}
	w.add("log://to", 1, 1)
	c.move(a, "log://to")
	_, records := w.all["log://to"].stores[0].Records()
	first, err := record.Peek(records[0])
	must(t, err)
	if first.Index <= 10 {
		t.Errorf("the new log begins with record %d", first.Index)
	}
	c.put(a, "after", "v")
	c.at = "log://to"
	c.restart(a)
	c.want(a, mainstem.Latest(), "k3", "3")
	c.want(a, mainstem.Latest(), "after", "v")
}
