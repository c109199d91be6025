package sim

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/check"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/journal"
	"github.com/mainstemdb/mainstem/node"
)

// Cluster are the nodes of one database on the logs of a real engine, in this
// process. As a backend it asks another node each time.
type Cluster struct {
	t  *testing.T
	mu sync.Mutex
	r  *rand.Rand
	// nodes are in the order of their names, node-0 and on.
	nodes []*embedded.DB
	// Reach is how nodes open a log that the database moves to, if it does.
	Reach func(ctx context.Context, url string) (*journal.Database, error)
}

// NewCluster is one without nodes.
func NewCluster(t *testing.T, seed uint64) *Cluster {
	return &Cluster{t: t, r: rand.New(rand.NewPCG(seed, 8))}
}

// Start adds a node on logs of its own way to the engine. It ends with the test.
func (c *Cluster) Start(logs *journal.Database) {
	c.t.Helper()
	name := fmt.Sprintf("node-%d", len(c.nodes))
	db, err := embedded.Open(c.t.Context(), "db", embedded.OnDisk(disk.NewMem()), embedded.Memory(16<<20),
		embedded.Cluster(logs, name, node.Shared{Address: name, Dial: c.dial, Patience: time.Second, TakeOver: 20 * time.Millisecond, Reach: c.Reach}))
	if err != nil {
		c.t.Fatal(err)
	}
	c.mu.Lock()
	c.nodes = append(c.nodes, db)
	c.mu.Unlock()
	c.t.Cleanup(func() {
		if err := db.Close(); err != nil {
			c.t.Errorf("closing %s: %v", name, err)
		}
	})
}

// Move moves the database by one of the nodes, and says what came of it.
func (c *Cluster) Move(number int, url string) {
	c.t.Helper()
	began := time.Now()
	moved, err := c.nodes[number].Move(c.t.Context(), url, func(node.MoveProgress) {})
	if err != nil {
		c.t.Errorf("node %d moves to %s: %v", number, url, err)
		return
	}
	c.t.Logf("moved to %s in %s: %d records copied, writes waited %s", url, time.Since(began).Round(time.Millisecond), moved.Copied, moved.WritePause)
	if moved.WritePause > time.Second {
		c.t.Errorf("writes waited %s while the database moved to %s; want at most a second", moved.WritePause, url)
	}
}

func (c *Cluster) dial(name string) (mainstem.Backend, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var i int
	if _, err := fmt.Sscanf(name, "node-%d", &i); err != nil || i >= len(c.nodes) {
		return nil, mainstem.Errorf(mainstem.Unavailable, "%s is away", name)
	}
	return c.nodes[i].Direct(), nil
}

// impatient is how long a client waits for one node.
const impatient = 5 * time.Second

func (c *Cluster) pick() mainstem.Backend {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nodes[c.r.IntN(len(c.nodes))].Backend()
}

// Commit asks some node.
func (c *Cluster) Commit(ctx context.Context, t *mainstem.Transaction) (*mainstem.Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, impatient)
	defer cancel()
	return c.pick().Commit(ctx, t)
}

// View asks some node.
func (c *Cluster) View(ctx context.Context, r mainstem.ViewRequest) (mainstem.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, impatient)
	defer cancel()
	return c.pick().View(ctx, r)
}

// Changes asks some node.
func (c *Cluster) Changes(ctx context.Context, from mainstem.From) iter.Seq2[mainstem.Batch, error] {
	return c.pick().Changes(ctx, from)
}

// Close does nothing: the nodes end with the test.
func (c *Cluster) Close() error { return nil }

// Judge lets clients work on all nodes while harm does what it does, until it is told
// to stop; it says how much it did. What clients saw must be linearizable, and every
// change in every node's feed once, those that were acknowledged among them (L4, L5).
func (c *Cluster) Judge(seed uint64, harm func(stop <-chan struct{}) (deeds int)) {
	c.t.Helper()
	stop, done := make(chan struct{}), make(chan int)
	go func() { done <- harm(stop) }()
	history := Keys(c.t.Context(), mainstem.New(c), seed, 6, 120)
	close(stop)
	deeds := <-done
	verdict, why := check.Linearizable(history, 20*time.Second)
	if verdict == check.No {
		c.t.Errorf("seed %d: linearizable: %s: %s", seed, verdict, why)
	}
	acknowledged := 0
	for _, op := range history {
		if !op.Undecided && !op.Refused && op.Kind != check.Get {
			acknowledged++
		}
	}
	if _, err := mainstem.New(c.nodes[0].Backend()).Group("g").Do(c.t.Context(), "", func(tx *mainstem.Txn) error { tx.Put("last", nil); return nil }); err != nil {
		c.t.Fatal(err)
	}
	for i, db := range c.nodes {
		if _, err := db.Get(c.t.Context(), "g", "last", mainstem.Latest()); err != nil {
			c.t.Errorf("node %d: %v", i, err)
		}
		seen := map[string]int{}
		for b, err := range db.Changes(c.t.Context(), mainstem.From{Drain: true}) {
			if err != nil {
				c.t.Fatal(err)
			}
			for _, change := range b.Changes {
				if seen[change.ID.String()]++; seen[change.ID.String()] > 1 {
					c.t.Errorf("node %d: %s is in the feed twice (L5)", i, change.ID)
				}
			}
		}
		if len(seen) < acknowledged {
			c.t.Errorf("node %d has %d changes, %d were acknowledged (L4)", i, len(seen), acknowledged)
		}
	}
	c.t.Logf("seed %d: %d operations, %d acknowledged, %d faults, linearizable: %s", seed, len(history), acknowledged, deeds, verdict)
}
