package jetstream_test

import (
	"errors"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/engine/jetstream"
	bytes "github.com/mainstemdb/mainstem/internal/proxy" // beside the one of this package, which knows messages
	"github.com/mainstemdb/mainstem/internal/sim"
	"github.com/mainstemdb/mainstem/journal"
)

func openDatabase(t *testing.T, o jetstream.Options, partitions int) *journal.Database {
	t.Helper()
	d, err := jetstream.OpenDatabase(t.Context(), o, partitions)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, l := range d.Logs {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	return d
}

// TestDatabaseIsFoundedOnce: nodes that found a database at once found one; who comes
// later finds it, and none of it can be had otherwise.
func TestDatabaseIsFoundedOnce(t *testing.T) {
	c := newCluster(t, 1).inProcess(t)
	o := c.options()
	found := make([]*journal.Database, 4)
	var founding sync.WaitGroup
	for i := range found {
		founding.Go(func() { found[i] = openDatabase(t, o, 3) })
	}
	founding.Wait()
	for _, d := range append(found, openDatabase(t, o, 0)) {
		if d.ID != found[0].ID || d.ID == ([16]byte{}) || len(d.Logs) != 3 || d.Guarantees.Engine != "jetstream" {
			t.Errorf("%x with %d partitions on %s, and %x", d.ID, len(d.Logs), d.Guarantees.Engine, found[0].ID)
		}
	}
	if _, err := found[0].Logs[2].Append(t.Context(), journal.Head{}, link(journal.Head{}, "first")); err != nil {
		t.Fatal(err)
	}
	if records, _, _ := chain(t, found[1].Logs[2]); len(records) != 1 {
		t.Errorf("another node reads %v", records)
	}
	another, strict, alone, misnamed := o, o, o, o
	another.Name += "-2"
	if d := openDatabase(t, another, 0); d.ID == found[0].ID || len(d.Logs) != 1 {
		t.Errorf("another database is %x with %d partitions", d.ID, len(d.Logs))
	}
	alone.Name += "-3"
	open(t, alone)
	strict.AcceptWeakDurability = false
	misnamed.Name = "No"
	for what, wrong := range map[string]struct {
		o          jetstream.Options
		partitions int
		want       mainstem.Code
	}{
		"another count":         {o, 2, mainstem.Invalid},
		"more than there may":   {o, jetstream.MaxPartitions + 1, mainstem.Invalid},
		"less than none":        {o, -1, mainstem.Invalid},
		"weak":                  {strict, 3, mainstem.Weak},
		"a stream of nobody":    {alone, 0, mainstem.Invalid},
		"a name that cannot be": {misnamed, 0, mainstem.Invalid},
	} {
		if _, err := jetstream.OpenDatabase(t.Context(), wrong.o, wrong.partitions); mainstem.CodeOf(err) != wrong.want {
			t.Errorf("%s: %v, want %s", what, err, wrong.want)
		}
	}
}

// TestNodesOnJetStream: three nodes on three servers, each with a way of its own,
// while connections break and stall, leaders step down, and one is killed.
func TestNodesOnJetStream(t *testing.T) {
	t.Parallel() // most of it is waiting for elections
	c := newCluster(t, 3).asChildren(t)
	sim.Rounds(t, 2, func(t *testing.T, seed uint64) {
		o := c.options()
		nodes, ways := sim.NewCluster(t, seed), []*bytes.Proxy{}
		for _, n := range c.nodes {
			way, err := bytes.To(n.addr())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = way.Close() })
			o.URL = "nats://" + way.Addr()
			ways = append(ways, way)
			logs, err := jetstream.OpenDatabase(t.Context(), o, 1)
			if err != nil {
				t.Fatal(err)
			}
			nodes.Start(logs)
		}
		r := rand.New(rand.NewPCG(seed, 7))
		o.URL = c.urls()
		nodes.Judge(seed, func(stop <-chan struct{}) int { return c.harm(t, r, o, ways, stop) })
	})
}

// harm does one thing after the other until stop is closed.
func (c *cluster) harm(t *testing.T, r *rand.Rand, o jetstream.Options, ways []*bytes.Proxy, stop <-chan struct{}) (deeds int) {
	killed := false
	for ; ; deeds++ {
		select {
		case <-stop:
			for _, way := range ways {
				way.Resume()
			}
			return deeds
		case <-time.After(time.Duration(50+r.IntN(200)) * time.Millisecond):
		}
		way := ways[r.IntN(len(ways))]
		switch r.IntN(5) {
		case 0:
			way.Break()
		case 1:
			way.Pause()
		case 2:
			way.Resume()
		case 3:
			c.stepDown(t, o)
		case 4:
			if killed {
				continue
			}
			killed = true
			victim := c.leader(t, o)
			if err := victim.child.End(syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				t.Error(err)
			}
			c.spawn(t, victim)
		}
	}
}
