package node_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/internal/sharedlog"
	"github.com/mainstemdb/mainstem/internal/sim"
	"github.com/mainstemdb/mainstem/node"
)

// hasMoved reports whether a store holds the record of a move.
func hasMoved(s *sharedlog.Store) bool {
	_, records := s.Records()
	for _, bytes := range records {
		if h, err := record.Peek(bytes); err == nil && h.Moved != nil {
			return true
		}
	}
	return false
}

// TestMoverDies: the node that moves the database is killed at every step. Before the
// record of the move nothing has happened, and another node goes on with the copy;
// behind it the others are at the new log without anybody asking.
func TestMoverDies(t *testing.T) {
	for _, at := range []string{node.MoveCopy, node.MoveConfirm, node.MoveCommit, "recorded", node.MoveDone} {
		t.Run(at, func(t *testing.T) {
			c, w := movable(t, 3)
			a, b, d := c.nodes[0], c.nodes[1], c.nodes[2]
			to := w.add("log://to", 1, 1)
			c.fill(a, "k", 100)
			_, err := c.tryMove(a, "log://to", func(step string) {
				switch {
				case step == at:
					c.stop(a)
				case at == "recorded" && step == node.MoveCommit:
					for _, m := range c.nodes {
						w.bar(m.name, "log://to", true)
					}
					go func() {
						eventually(t, "the record of the move is in the log", func() bool { return hasMoved(c.store) })
						c.stop(a)
						for _, m := range c.nodes {
							w.bar(m.name, "log://to", false)
						}
					}()
				}
			})
			if gone := at != node.MoveDone; gone && err == nil {
				t.Fatal("the move ended well without the node that moved")
			}
			moved := at == "recorded" || at == node.MoveDone
			c.put(b, "k", "from b")
			c.want(d, mainstem.Latest(), "k", "from b")
			if got := hasMoved(to.stores[0]); got != moved {
				t.Errorf("killed at %s, the move is in the new log: %v", at, got)
			}
			c.start(a)
			c.want(a, mainstem.Latest(), "k", "from b")
			if !moved {
				c.move(b, "log://to")
			}
			c.same()
			for _, m := range c.nodes {
				id := record.UUID(to.id).String()
				eventually(t, "node "+m.name+" is at the new log", func() bool { return m.generation() == id })
				if n := len(c.feed(m)); n != 101 {
					t.Errorf("the feed of node %s has %d changes, want 101", m.name, n)
				}
			}
		})
	}
}

// TestStaleWriterAfterTheMove: the record of the node that wrote is on its way to the
// log that is left. It arrives behind the move, and nobody reads it; its transaction
// commits once, in the new log (L2, L5).
func TestStaleWriterAfterTheMove(t *testing.T) {
	c, w := movable(t, 3)
	a, b := c.nodes[0], c.nodes[1]
	w.add("log://to", 1, 1)
	c.put(a, "k", "before")
	done := make(chan error, 1)
	_, err := c.tryMove(b, "log://to", func(step string) {
		if step != node.MoveCommit {
			return
		}
		a.log.FailNext(sharedlog.HeldAndCut)
		a.line.Cut()
		go func() {
			_, err := c.tryPut(a, "k", "of a")
			done <- err
		}()
		eventually(t, "the record of a is on its way", func() bool { return a.figures().Unknown > 0 })
	})
	if err != nil {
		t.Fatal(err)
	}
	c.put(b, "k", "of b")
	a.log.Release()
	a.log.Cut(false)
	a.line.Heal()
	if err := <-done; err != nil {
		t.Errorf("the transaction of the stale writer: %v", err)
	}
	c.same()
	for _, m := range c.nodes {
		c.want(m, mainstem.Latest(), "k", "of a")
		for id, n := range c.feed(m) {
			if n != 1 {
				t.Errorf("the feed of node %s has %s %d times (L5)", m.name, id, n)
			}
		}
	}
	// A node that begins on the log that was left meets the void behind the move.
	c.stop(a)
	if err := a.fs.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	c.start(a)
	c.same()
}

// TestLateCopy: a copied record arrives in the new log once more, long after. It
// names an ancestor, in its own generation, and is void (L2).
func TestLateCopy(t *testing.T) {
	c, w := movable(t, 2)
	a, b := c.nodes[0], c.nodes[1]
	to := w.add("log://to", 1, 1)
	c.fill(a, "k", 5)
	c.move(a, "log://to")
	c.put(a, "k", "after")
	_, records := to.stores[0].Records()
	for _, i := range []int{0, 3, len(records) - 1} {
		to.stores[0].Late(records[i])
	}
	c.put(a, "k", "last")
	c.want(b, mainstem.Latest(), "k", "last")
	c.same()
	if v := b.figures().Voids; v != 3 {
		t.Errorf("node b has seen %d void records, want 3", v)
	}
	c.at = "log://to"
	c.restart(b)
	c.want(b, mainstem.Latest(), "k", "last")
}

// TestAsleepThroughTheMove: a node that hears of nothing while the others move wakes
// on the log that was left, answers nothing from it, and follows (L8).
func TestAsleepThroughTheMove(t *testing.T) {
	c, w := movable(t, 3)
	a, b, d := c.nodes[0], c.nodes[1], c.nodes[2]
	w.add("log://to", 1, 1)
	c.put(a, "k", "old")
	if _, err := c.tryMove(a, "log://to", func(step string) {
		if step == node.MoveCommit {
			d.cut(true)
			w.bar("c", "log://to", true)
		}
	}); err != nil {
		t.Fatal(err)
	}
	c.put(b, "k", "new")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	w.all["log://home"] = &place{id: clusterID, stores: []*sharedlog.Store{c.store}}
	if _, err := d.Move(ctx, "log://home", func(node.MoveProgress) {}); err == nil {
		t.Error("a node that is behind says that the database is where it was")
	}
	// Now it reaches the log that was left, and nothing else.
	d.log.Cut(false)
	ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if v, err := d.Get(ctx, "g", "k", mainstem.Latest()); err == nil && string(v.Value.Bytes) != "new" {
		t.Errorf("a node that is behind the move reads %q as the latest (L8)", v.Value.Bytes)
	}
	w.bar("c", "log://to", false)
	d.cut(false)
	c.want(d, mainstem.Latest(), "k", "new")
	c.same()
}

// TestBehindTheMoveWithoutWrites: a node that has all that was ever written, as the one
// that writes tells it, but has not read the record of the move, does not say that the
// database is in the log that was left.
func TestBehindTheMoveWithoutWrites(t *testing.T) {
	c, w := movable(t, 2)
	a, b := c.nodes[0], c.nodes[1]
	w.add("log://to", 1, 1)
	w.all["log://home"] = &place{id: clusterID, stores: []*sharedlog.Store{c.store}}
	c.put(a, "k", "v")
	if _, err := c.tryMove(a, "log://to", func(step string) {
		if step == node.MoveCommit {
			b.log.Cut(true)
		}
	}); err != nil {
		t.Fatal(err)
	}
	c.want(b, mainstem.Latest(), "k", "v")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := b.Move(ctx, "log://home", func(node.MoveProgress) {}); err == nil {
		t.Error("a node that has not read the move says that the database is where it was")
	}
	b.log.Cut(false)
	if _, err := c.tryMove(b, "log://home", nil); mainstem.CodeOf(err) != mainstem.Invalid || !strings.Contains(err.Error(), "left") {
		t.Errorf("moving back to the log that was left: %v", err)
	}
}

// TestAsleepUntilTrimmed: a node that wakes when the others have trimmed the beginning of
// the new log does not try for ever to copy what is there: it ends, says so, and is well
// when it is opened again.
func TestAsleepUntilTrimmed(t *testing.T) {
	c, w := movable(t, 2)
	a, d := c.nodes[0], c.nodes[1]
	to := w.add("log://to", 1, 1)
	c.fill(a, "k", 20)
	if _, err := c.tryMove(a, "log://to", func(step string) {
		if step == node.MoveCommit {
			d.cut(true)
			w.bar("b", "log://to", true)
		}
	}); err != nil {
		t.Fatal(err)
	}
	c.put(a, "k", "new")
	must(t, to.stores[0].Open().Trim(t.Context(), 5))
	w.bar("b", "log://to", false)
	d.cut(false)
	select {
	case <-d.Done():
	case <-time.After(20 * time.Second):
		t.Fatal("the node does not end")
	}
	wantCode(t, "why it ended", d.Err(), mainstem.Unavailable)
	_ = d.Close() // it has ended with an error
	d.DB = nil
	c.start(d)
	c.want(d, mainstem.Latest(), "k", "new")
	c.same()
}

// TestTwoMovers: two nodes move the database to two places at the same time. At most
// one does, all nodes are in one place, and it can be moved from there.
func TestTwoMovers(t *testing.T) {
	c, w := movable(t, 3)
	w.add("log://one", 1, 1)
	w.add("log://two", 2, 1)
	w.add("log://end", 3, 1)
	c.fill(c.nodes[0], "k", 50)
	var both, begun sync.WaitGroup
	errs := make([]error, 2)
	begun.Add(2)
	for i, url := range []string{"log://one", "log://two"} {
		both.Go(func() {
			_, errs[i] = c.tryMove(c.nodes[i], url, func(step string) {
				if step == node.MoveCopy {
					begun.Done()
					begun.Wait()
				}
			})
		})
	}
	both.Wait()
	if errs[0] == nil && errs[1] == nil {
		t.Error("both moves ended well")
	}
	t.Logf("%v; %v", errs[0], errs[1])
	c.put(c.nodes[2], "k", "v")
	c.same()
	eventually(t, "all nodes are in one place", func() bool {
		return c.nodes[1].generation() == c.nodes[0].generation() && c.nodes[2].generation() == c.nodes[0].generation()
	})
	c.move(c.nodes[2], "log://end")
	c.want(c.nodes[1], mainstem.Latest(), "k", "v")
}

// TestMoveCommitsWhereItBegan: another move comes first, at the last moment. The one
// that is late is told so, and the database stays where the first has brought it.
func TestMoveCommitsWhereItBegan(t *testing.T) {
	c, w := movable(t, 2)
	a, b := c.nodes[0], c.nodes[1]
	for i := range 15 {
		first, late := fmt.Sprint("log://first-", i), fmt.Sprint("log://late-", i)
		id := record.UUID(w.add(first, byte(2*i+1), 1).id).String()
		w.add(late, byte(2*i+2), 1)
		c.put(a, "k", first)
		_, err := c.tryMove(b, late, func(step string) {
			if step == node.MoveCommit {
				c.move(a, first)
				c.want(b, mainstem.Latest(), "k", first)
			}
		})
		if mainstem.CodeOf(err) != mainstem.Conflict {
			t.Errorf("the late move to %s: %v, want conflict", late, err)
		}
		c.put(b, "k", late)
		c.put(a, "k", late)
		eventually(t, "both nodes are where the first move went", func() bool { return a.generation() == id && b.generation() == id })
	}
}

// TestHistoriesWhileMoving: clients ask any of three nodes while the database moves
// three times, and nodes lose the old and the new log. What they saw is linearizable,
// and every change is in every feed once.
func TestHistoriesWhileMoving(t *testing.T) {
	sim.Rounds(t, 3, func(t *testing.T, seed uint64) {
		c, w := movable(t, 3)
		r := rand.New(rand.NewPCG(seed, 1))
		db := mainstem.New(&anywhere{c: c, r: rand.New(rand.NewPCG(seed, 2))})
		var all sync.WaitGroup
		moves := 0
		all.Go(func() {
			for i, url := range []string{"log://1", "log://2", "log://3"} {
				w.add(url, byte(i+1), 1)
				mover, away := c.nodes[r.IntN(3)], c.nodes[r.IntN(3)]
				_, err := c.tryMove(mover, url, func(step string) {
					if step == node.MoveCommit && r.IntN(2) == 0 {
						w.bar(away.name, url, true)
						time.AfterFunc(time.Duration(r.IntN(20))*time.Millisecond, func() { w.bar(away.name, url, false) })
					}
				})
				if err != nil {
					t.Errorf("seed %d: moving to %s: %v", seed, url, err)
				}
				moves++
			}
		})
		history := sim.Keys(t.Context(), db, seed, 5, 200)
		all.Wait()
		acknowledged := c.judge(seed, history)
		t.Logf("seed %d: %d operations, %d acknowledged writes, %d moves", seed, len(history), acknowledged, moves)
	})
}
