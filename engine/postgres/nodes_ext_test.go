package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/engine/postgres"
	"github.com/mainstemdb/mainstem/internal/check"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/internal/pgserver"
	"github.com/mainstemdb/mainstem/internal/proxy"
	"github.com/mainstemdb/mainstem/internal/sim"
	"github.com/mainstemdb/mainstem/node"
)

// nodes of one database on a real server, in this process.
type nodes struct {
	t  *testing.T
	mu sync.Mutex
	db map[string]*embedded.DB
}

func (n *nodes) start(name string, c postgres.Config) *embedded.DB {
	n.t.Helper()
	logs, err := postgres.Open(n.t.Context(), c)
	if err != nil {
		n.t.Fatal(err)
	}
	db, err := embedded.Open(n.t.Context(), "db", embedded.OnDisk(disk.NewMem()), embedded.Memory(16<<20),
		embedded.Cluster(logs, name, node.Shared{Address: name, Dial: n.dial, Patience: time.Second, TakeOver: 20 * time.Millisecond}))
	if err != nil {
		n.t.Fatal(err)
	}
	n.mu.Lock()
	n.db[name] = db
	n.mu.Unlock()
	n.t.Cleanup(func() {
		if err := db.Close(); err != nil {
			n.t.Errorf("closing node %s: %v", name, err)
		}
	})
	return db
}

func (n *nodes) dial(name string) (mainstem.Backend, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if db := n.db[name]; db != nil {
		return db.Direct(), nil
	}
	return nil, mainstem.Errorf(mainstem.Unavailable, "node %s is away", name)
}

// any is a client that asks another node each time.
type anyNode struct {
	nodes []*embedded.DB
	mu    sync.Mutex
	r     *rand.Rand
}

func (a *anyNode) pick() mainstem.Backend {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.nodes[a.r.IntN(len(a.nodes))].Backend()
}

func (a *anyNode) Commit(ctx context.Context, t *mainstem.Transaction) (*mainstem.Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return a.pick().Commit(ctx, t)
}

func (a *anyNode) View(ctx context.Context, r mainstem.ViewRequest) (mainstem.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return a.pick().View(ctx, r)
}

func (a *anyNode) Changes(ctx context.Context, from mainstem.From) iter.Seq2[mainstem.Batch, error] {
	return a.pick().Changes(ctx, from)
}

func (a *anyNode) Close() error { return nil }

// TestNodesOnPostgreSQL: three nodes, each with a way of its own to the server, while
// connections break, answers are lost, and the server dies and comes back. What
// clients saw is linearizable, and every change is in every feed once.
func TestNodesOnPostgreSQL(t *testing.T) {
	own, err := pgserver.Start(t.Context(), pgserver.Config{})
	if errors.Is(err, pgserver.ErrMissing) {
		t.Skip("not run: " + err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := own.Close(); err != nil {
			t.Error(err)
		}
	})
	sim.Rounds(t, 2, func(t *testing.T, seed uint64) {
		c := install(t, own, 1)
		n := &nodes{t: t, db: map[string]*embedded.DB{}}
		var all []*embedded.DB
		var ways []*proxy.Proxy
		for i := range 3 {
			way := proxied(t, own)
			mine := c
			mine.URL = through(t, way)
			ways, all = append(ways, way), append(all, n.start(fmt.Sprint("node-", i), mine))
		}
		r := rand.New(rand.NewPCG(seed, 7))
		stop, done := make(chan struct{}), make(chan int)
		go func() { done <- harm(t, r, own, ways, stop) }()
		db := mainstem.New(&anyNode{nodes: all, r: rand.New(rand.NewPCG(seed, 8))})
		history := sim.Keys(t.Context(), db, seed, 6, 120)
		close(stop)
		deeds := <-done
		verdict, why := check.Linearizable(history, 20*time.Second)
		if verdict == check.No {
			t.Errorf("seed %d: linearizable: %s: %s", seed, verdict, why)
		}
		acknowledged := 0
		for _, op := range history {
			if !op.Undecided && !op.Refused && op.Kind != check.Get {
				acknowledged++
			}
		}
		if _, err := mainstem.New(all[0].Backend()).Group("g").Do(t.Context(), "", func(tx *mainstem.Txn) error { tx.Put("last", nil); return nil }); err != nil {
			t.Fatal(err)
		}
		for i, db := range all {
			seen := map[string]int{}
			if _, err := db.Get(t.Context(), "g", "last", mainstem.Latest()); err != nil {
				t.Errorf("node %d: %v", i, err)
			}
			for b, err := range db.Changes(t.Context(), mainstem.From{Drain: true}) {
				if err != nil {
					t.Fatal(err)
				}
				for _, change := range b.Changes {
					if seen[change.ID.String()]++; seen[change.ID.String()] > 1 {
						t.Errorf("node %d: %s is in the feed twice (L5)", i, change.ID)
					}
				}
			}
			if len(seen) < acknowledged {
				t.Errorf("node %d has %d changes, %d were acknowledged", i, len(seen), acknowledged)
			}
		}
		t.Logf("seed %d: %d operations, %d acknowledged, %d faults, linearizable: %s", seed, len(history), acknowledged, deeds, verdict)
	})
}

// harm does one thing after the other until stop is closed.
func harm(t *testing.T, r *rand.Rand, s *pgserver.Server, ways []*proxy.Proxy, stop <-chan struct{}) (deeds int) {
	for ; ; deeds++ {
		select {
		case <-stop:
			for _, way := range ways {
				way.Lose(nil)
			}
			return deeds
		case <-time.After(time.Duration(20+r.IntN(60)) * time.Millisecond):
		}
		way := ways[r.IntN(len(ways))]
		switch r.IntN(5) {
		case 0:
			way.Break()
		case 1:
			way.LoseOnce("append", proxy.LoseAnswer)
		case 2:
			way.LoseOnce("append", proxy.LoseIt)
		case 3:
			way.LoseOnce("confirm", proxy.LoseAnswer)
		case 4:
			if r.IntN(3) == 0 {
				if err := errors.Join(s.Kill(), s.Up(context.Background())); err != nil {
					t.Error(err)
				}
			}
		}
	}
}
