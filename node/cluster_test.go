package node_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/sharedlog"
	"github.com/mainstemdb/mainstem/journal"
	"github.com/mainstemdb/mainstem/node"
)

// TestAnyNodeServes: what is written through one node is read through any other,
// at once and at every level that promises it, and the node that wrote last goes on
// to write what the others are asked (L8).
func TestAnyNodeServes(t *testing.T) {
	c := gather(t, 3)
	a, b, d := c.nodes[0], c.nodes[1], c.nodes[2]
	for i := range 20 {
		value := fmt.Sprint(i)
		r := c.put(a, "k", value)
		c.want(b, mainstem.Latest(), "k", value)
		c.want(d, mainstem.AtLeast(r.Token), "k", value)
		c.want(b, mainstem.AsOf(r.Position), "k", value)
		c.want(d, mainstem.Within(0), "k", value)
		next := fmt.Sprint("next ", i)
		c.put(b, "k", next)
		c.want(a, mainstem.Latest(), "k", next)
		c.want(d, mainstem.Latest(), "k", next)
	}
	c.same()
	for _, m := range c.nodes {
		if r := m.report(); r.Writer != "a" || len(r.Members) != 3 {
			t.Errorf("node %s says that %q wrote last, of %v; want a, of three", m.name, r.Writer, r.Members)
		}
		if n := len(c.feed(m)); n != 40 {
			t.Errorf("the feed of node %s has %d changes, want 40", m.name, n)
		}
	}
	if f := b.figures(); f.Unforwarded != 0 {
		t.Errorf("node b judged %d transactions itself while a could be reached", f.Unforwarded)
	}
}

// TestTakeOver: the node that wrote last is gone. Another one takes over at once;
// the first one comes back, follows, and is asked no more.
func TestTakeOver(t *testing.T) {
	c := gather(t, 3)
	a, b, d := c.nodes[0], c.nodes[1], c.nodes[2]
	c.put(a, "k", "first")
	c.stop(a)
	began := time.Now()
	c.put(b, "k", "second")
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("taking over took %s", took)
	}
	c.want(d, mainstem.Latest(), "k", "second")
	c.start(a)
	c.want(a, mainstem.Latest(), "k", "second")
	c.put(a, "k", "third")
	c.want(d, mainstem.Latest(), "k", "third")
	c.same()
	if w := a.report().Writer; w != "b" && w != "c" {
		t.Errorf("%q writes, want the one that took over", w)
	}
	if f := d.figures(); f.Takeovers != 1 || f.Contested != 0 {
		t.Errorf("%d takeovers, want 1; %d digests differ", f.Takeovers, f.Contested)
	}
}

// TestCutOffNodeAnswersNothing: a node that cannot reach the log does not know
// whether it still writes. It neither reads nor rejects on what it has (L4, L8);
// Local is what it has, and says so.
func TestCutOffNodeAnswersNothing(t *testing.T) {
	c := gather(t, 2)
	a, b := c.nodes[0], c.nodes[1]
	first := c.put(a, "k", "old")
	a.cut(true)
	c.put(b, "k", "new")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if v, err := a.Get(ctx, "g", "k", mainstem.Latest()); mainstem.CodeOf(err) != mainstem.Unavailable {
		t.Errorf("a node that is cut off reads k=%q, %v, as the latest; want unavailable (L8)", v.Value.Bytes, err)
	}
	// On what the node has, this would be a conflict; on what there is, it is not.
	_, err := a.Group("g").Do(ctx, "stale", func(tx *mainstem.Txn) error {
		tx.Require(mainstem.KeyEquals{Name: "k", Value: mainstem.Value{Bytes: []byte("new")}})
		tx.Put("k", []byte("newer"))
		return nil
	})
	if code := mainstem.CodeOf(err); code != mainstem.Unavailable {
		t.Errorf("a node that is cut off answers a transaction with %v; want unavailable (L4)", err)
	}
	c.want(a, mainstem.Local(), "k", "old")
	c.want(a, mainstem.AtLeast(first.Token), "k", "old")
	a.cut(false)
	c.want(a, mainstem.Latest(), "k", "new")
	c.same()
}

// TestLostRace: two nodes that do not reach each other write at the same time.
// Who comes second is judged again, on what the first has written (L2, L3).
func TestLostRace(t *testing.T) {
	c := gather(t, 2)
	a, b := c.nodes[0], c.nodes[1]
	c.put(a, "k", "0")
	a.line.Cut()
	b.line.Cut()
	const each = 300
	done := make(chan error, 2)
	for _, m := range c.nodes {
		go func() {
			done <- func() error {
				for i := range each {
					ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
					defer cancel()
					_, err := m.Group("g").Do(ctx, "", func(tx *mainstem.Txn) error {
						tx.Add("n", 1)
						return nil
					})
					if err != nil {
						return fmt.Errorf("node %s, addition %d: %w", m.name, i, err)
					}
				}
				return nil
			}()
		}()
	}
	for range c.nodes {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	v, err := a.Get(t.Context(), "g", "n", mainstem.Latest())
	if err != nil || v.Value.Int != 2*each {
		t.Errorf("the counter is %d, %v, after %d additions (L2)", v.Value.Int, err, 2*each)
	}
	c.same()
	if lost := a.figures().Lost + b.figures().Lost; lost == 0 {
		t.Error("no append lost a race: the test shows nothing")
	}
}

// TestUnknownAppend: the answer of the log is lost, or the request, or the record
// arrives when nobody counts on it any more. Each commits once, is in every feed
// once, and a late copy is void (L2, L11).
func TestUnknownAppend(t *testing.T) {
	for name, fault := range map[string]sharedlog.Fault{
		"reply lost": sharedlog.ReplyLost, "request lost": sharedlog.RequestLost, "held": sharedlog.Held,
	} {
		t.Run(name, func(t *testing.T) {
			c := gather(t, 3)
			a := c.nodes[0]
			c.put(a, "k", "before")
			a.log.FailNext(fault)
			c.put(a, "k", "after")
			a.log.Release()
			c.put(a, "k", "last")
			c.same()
			for _, m := range c.nodes {
				c.want(m, mainstem.Latest(), "k", "last")
				feed := c.feed(m)
				for id, n := range feed {
					if n != 1 {
						t.Errorf("the feed of node %s has %s %d times (L5)", m.name, id, n)
					}
				}
				if len(feed) != 3 {
					t.Errorf("the feed of node %s has %d changes, want 3", m.name, len(feed))
				}
				if voids := m.figures().Voids; fault == sharedlog.Held && voids != 1 {
					t.Errorf("node %s has seen %d void records, want 1 (L2)", m.name, voids)
				}
			}
		})
	}
}

// TestHeldAppendOfTheReplaced: the record of the node that wrote is on its way while
// another one takes over. It arrives late, and is void; its transactions, judged
// again, commit once, after those of the other (L2, L5).
func TestHeldAppendOfTheReplaced(t *testing.T) {
	c := gather(t, 3)
	a, b := c.nodes[0], c.nodes[1]
	c.put(a, "k", "before")
	a.log.FailNext(sharedlog.HeldAndCut)
	done := make(chan error, 1)
	a.line.Cut()
	go func() {
		_, err := c.tryPut(a, "k", "of a")
		done <- err
	}()
	eventually(t, "the record of a is on its way", func() bool { return a.figures().Unknown > 0 })
	c.put(b, "k", "of b")
	a.log.Release()
	c.put(b, "j", "after the void")
	a.cut(false)
	if err := <-done; err != nil {
		t.Errorf("the transaction of the node that was replaced: %v", err)
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
	// A node that replays the log from its beginning comes to the same.
	fresh := &member{name: "fresh", fs: c.nodes[2].fs, clock: c.nodes[2].clock}
	c.stop(c.nodes[2])
	if err := fresh.fs.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	c.nodes[2] = fresh
	c.start(fresh)
	c.same()
}

// TestStrangersStopANode: what continues no ancestor, a slot that is gone, bytes that
// are damaged: nothing of it is applied, and the error says where (L2, L12).
func TestStrangersStopANode(t *testing.T) {
	for name, harm := range map[string]func(c *cluster){
		"a fork": func(c *cluster) {
			other := gather(c.t, 1)
			other.put(other.nodes[0], "k", "of another database")
			_, records := other.store.Records()
			c.store.Late(records[len(records)-1])
		},
		"a slot that is gone": func(c *cluster) {
			c.put(c.nodes[0], "k", "1")
			c.put(c.nodes[0], "k", "2")
			oldest, records := c.store.Records()
			c.store.Damage(oldest+uint64(len(records))-2, nil)
		},
		"damaged bytes": func(c *cluster) {
			c.put(c.nodes[0], "k", "1")
			oldest, records := c.store.Records()
			last := append([]byte(nil), records[len(records)-1]...)
			last[len(last)/2] ^= 4
			c.store.Damage(oldest+uint64(len(records))-1, last)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := gather(t, 2)
			a, b := c.nodes[0], c.nodes[1]
			c.put(a, "k", "before")
			c.same()
			b.log.Cut(true)
			harm(c)
			b.log.Cut(false)
			var err error
			eventually(t, "node b stops", func() bool {
				_, err = b.Get(t.Context(), "g", "k", mainstem.Local())
				return err != nil
			})
			if mainstem.CodeOf(err) != mainstem.Corrupt || !strings.Contains(err.Error(), "slot") {
				t.Errorf("node b stops with %v; want corrupt, and the slot (L12)", err)
			}
		})
	}
}

// TestLogOfAnotherDatabase: the directory of a node and the log belong together, or
// the node does not start (L2).
func TestLogOfAnotherDatabase(t *testing.T) {
	c := gather(t, 1)
	a := c.nodes[0]
	c.put(a, "k", "v")
	c.stop(a)
	other := gather(t, 1)
	other.put(other.nodes[0], "k", "w")
	mine := c.store
	c.store = other.store
	if err := c.tryStart(a); mainstem.CodeOf(err) != mainstem.Corrupt {
		t.Errorf("a node on the log of another database: %v, want corrupt (L2)", err)
	}
	c.store = mine
	c.start(a)
	c.want(a, mainstem.Latest(), "k", "v")
}

// TestTwoFoundADatabase: nodes that start at the same time on an empty log found one
// database.
func TestTwoFoundADatabase(t *testing.T) {
	for range 10 {
		c := gather(t, 0)
		names := []string{"a", "b", "c", "d"}
		started := make(chan error)
		for _, name := range names {
			m := &member{name: name, fs: newMem(), clock: newClock()}
			c.nodes = append(c.nodes, m)
			go func() { started <- c.tryStart(m) }()
		}
		for range names {
			if err := <-started; err != nil {
				t.Fatal(err)
			}
		}
		c.put(c.nodes[3], "k", "v")
		for _, m := range c.nodes {
			c.want(m, mainstem.Latest(), "k", "v")
			if n := len(m.report().Members); n != len(names) {
				t.Errorf("node %s knows of %d members, want %d", m.name, n, len(names))
			}
		}
	}
}

// TestSharedOptions: what a node of a shared log needs, from both sides.
func TestSharedOptions(t *testing.T) {
	dial := func(string) (mainstem.Backend, error) { return nil, journal.ErrFailed }
	long := strings.Repeat("x", node.LimitName)
	for name, c := range map[string]struct {
		node string
		self node.Shared
		want mainstem.Code
	}{
		"no name":           {"", node.Shared{}, mainstem.Invalid},
		"alone":             {"a", node.Shared{}, 0},
		"no way to others":  {"a", node.Shared{Address: "x"}, mainstem.Invalid},
		"longest":           {long, node.Shared{Address: long, Zone: long, Version: long, Dial: dial}, 0},
		"name too long":     {long + "x", node.Shared{}, mainstem.TooLarge},
		"zone too long":     {"a", node.Shared{Zone: long + "x"}, mainstem.TooLarge},
		"negative patience": {"a", node.Shared{Patience: -1}, mainstem.Invalid},
		"negative spread":   {"a", node.Shared{Spread: -1}, mainstem.Invalid},
	} {
		logs, _ := sharedlog.Database(clusterID, sharedlog.NewStore())
		db, err := openNode(logs, c.node, c.self)
		if mainstem.CodeOf(err) != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if db != nil {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
