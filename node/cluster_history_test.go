package node_test

import (
	"context"
	"iter"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/check"
	"github.com/mainstemdb/mainstem/internal/sharedlog"
	"github.com/mainstemdb/mainstem/internal/sim"
	"github.com/mainstemdb/mainstem/mainstemtest"
)

// anywhere is a client that asks another node each time, as a load balancer would
// have it. An answer that is lost with a node is undecided.
type anywhere struct {
	c *cluster
	r *rand.Rand
	m sync.Mutex
}

func (a *anywhere) node() (mainstem.Backend, error) {
	a.m.Lock()
	i := a.r.IntN(len(a.c.nodes))
	a.m.Unlock()
	a.c.mu.Lock()
	defer a.c.mu.Unlock()
	if db := a.c.nodes[i].DB; db != nil {
		return db.Backend(), nil
	}
	return nil, mainstem.Errorf(mainstem.Unavailable, "that node is down")
}

func (a *anywhere) Commit(ctx context.Context, t *mainstem.Transaction) (*mainstem.Receipt, error) {
	b, err := a.node()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return b.Commit(ctx, t)
}

func (a *anywhere) View(ctx context.Context, r mainstem.ViewRequest) (mainstem.Snapshot, error) {
	b, err := a.node()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return b.View(ctx, r)
}

func (a *anywhere) Changes(ctx context.Context, from mainstem.From) iter.Seq2[mainstem.Batch, error] {
	b, err := a.node()
	if err != nil {
		return func(yield func(mainstem.Batch, error) bool) { yield(mainstem.Batch{}, err) }
	}
	return b.Changes(ctx, from)
}

func (a *anywhere) Close() error { return nil }

// nemesis does one thing after the other to nodes, to their ways to the log and to
// each other, until stop is closed, and then heals everything.
func (c *cluster) nemesis(r *rand.Rand, stop <-chan struct{}) (deeds int) {
	pause := func() bool {
		select {
		case <-stop:
			return false
		case <-time.After(time.Duration(r.IntN(4000)) * time.Microsecond):
			return true
		}
	}
	for ; pause(); deeds++ {
		m := c.nodes[r.IntN(len(c.nodes))]
		switch r.IntN(8) {
		case 0:
			m.log.FailNext(sharedlog.ReplyLost)
		case 1:
			m.log.FailNext(sharedlog.RequestLost)
		case 2:
			m.log.FailNext(sharedlog.Held)
			pause()
			m.log.Release()
		case 3:
			m.log.FailNext(sharedlog.Refused)
		case 4:
			m.cut(true)
			pause()
			m.log.Release()
			m.cut(false)
		case 5:
			m.line.Next(mainstemtest.Delay, mainstemtest.LoseReply, mainstemtest.Repeat)
			pause()
			_ = m.line.Arrive(context.Background()) // what became of it, the history tells
		case 6:
			m.line.Cut()
			pause()
			m.line.Heal()
		case 7:
			c.stop(m)
			pause()
			c.start(m)
		}
	}
	for _, m := range c.nodes {
		m.log.Release()
		m.cut(false)
	}
	return deeds
}

// TestHistories: clients ask any of three nodes while these lose each other, the log,
// answers, and their lives. What they saw is linearizable, every change is in the
// feed once, nothing that was acknowledged is missing, and all nodes end alike.
func TestHistories(t *testing.T) {
	sim.Rounds(t, 8, func(t *testing.T, seed uint64) {
		c := gather(t, 3)
		stop := make(chan struct{})
		var all sync.WaitGroup
		deeds := 0
		all.Go(func() { deeds = c.nemesis(rand.New(rand.NewPCG(seed, 1)), stop) })
		db := mainstem.New(&anywhere{c: c, r: rand.New(rand.NewPCG(seed, 2))})
		history := sim.Keys(t.Context(), db, seed, 5, 250)
		close(stop)
		all.Wait()
		decided := c.judge(seed, history)
		t.Logf("seed %d: %d operations, %d acknowledged writes, %d faults", seed, len(history), decided, deeds)
	})
}

// judge holds what clients saw, and what is in the feed of each node, to the promises;
// it returns how many writes were acknowledged.
func (c *cluster) judge(seed uint64, history []check.KeyOp) (acknowledged int) {
	c.t.Helper()
	switch verdict, why := check.Linearizable(history, 10*time.Second); verdict {
	case check.No:
		c.t.Errorf("seed %d: linearizable: %s: %s", seed, verdict, why)
	case check.Unknown: // too much at once was undecided; what follows is still checked
		c.t.Logf("seed %d: linearizable: %s: %s", seed, verdict, why)
	}
	eventually(c.t, "a write goes through", func() bool {
		_, err := c.tryPut(c.nodes[0], "last", "v")
		return err == nil
	})
	c.same()
	for _, op := range history {
		if !op.Undecided && !op.Refused && op.Kind != check.Get {
			acknowledged++
		}
	}
	for _, m := range c.nodes {
		feed := c.feed(m)
		for id, n := range feed {
			if n != 1 {
				c.t.Errorf("seed %d: the feed of node %s has %s %d times (L5)", seed, m.name, id, n)
			}
		}
		if len(feed) < acknowledged {
			c.t.Errorf("seed %d: the feed of node %s has %d changes, %d were acknowledged (L4)", seed, m.name, len(feed), acknowledged)
		}
	}
	return acknowledged
}
