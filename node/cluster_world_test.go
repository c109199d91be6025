package node_test

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/internal/sharedlog"
	"github.com/mainstemdb/mainstem/journal"
	"github.com/mainstemdb/mainstem/mainstemtest"
	"github.com/mainstemdb/mainstem/node"
)

// cluster is some nodes of one database on a log in memory that they share. Each
// has a disk, a clock and a way to the log of its own, and others reach it through
// a network that fails on command.
type cluster struct {
	t     *testing.T
	store *sharedlog.Store
	more  []*sharedlog.Store // of partitions beside the first
	nodes []*member
	mu    sync.Mutex
	// at is the URL of the log that nodes start with, if it is not store; places are
	// those that they reach.
	at     string
	places *places
}

type member struct {
	*embedded.DB
	name  string
	fs    disk.FS
	clock *mainstemtest.Clock
	log   *sharedlog.Log
	// line is what others reach it through; nil while it is down.
	line *mainstemtest.Flaky
	opts []embedded.Option
	wrap func(journal.Log) journal.Log // nil leaves the way to the log as it is
}

var clusterID = [16]byte{1, 2, 3}

// gather starts n nodes, a, b, c and so on.
func gather(t *testing.T, n int, opts ...embedded.Option) *cluster {
	t.Helper()
	return gatherOn(t, n, 1, opts...)
}

// gatherOn is gather of a database with so many partitions.
func gatherOn(t *testing.T, n, partitions int, opts ...embedded.Option) *cluster {
	t.Helper()
	c := &cluster{t: t, store: sharedlog.NewStore()}
	for range partitions - 1 {
		c.more = append(c.more, sharedlog.NewStore())
	}
	for i := range n {
		m := &member{name: string(rune('a' + i)), fs: disk.NewMem(), clock: mainstemtest.NewClock(), opts: opts}
		c.nodes = append(c.nodes, m)
		c.start(m)
	}
	t.Cleanup(func() {
		for _, m := range c.nodes {
			c.stop(m)
		}
	})
	return c
}

func (c *cluster) start(m *member) {
	c.t.Helper()
	if err := c.tryStart(m); err != nil {
		c.t.Fatalf("node %s: %v", m.name, err)
	}
}

func (c *cluster) tryStart(m *member) error {
	on := &place{id: clusterID, stores: append([]*sharedlog.Store{c.store}, c.more...)}
	if c.at != "" {
		on = c.places.all[c.at]
	}
	logs, ways := on.database()
	if m.wrap != nil {
		logs.Logs[0] = m.wrap(logs.Logs[0])
	}
	self := node.Shared{Address: m.name, Dial: c.dial, Patience: 500 * time.Millisecond, TakeOver: 5 * time.Millisecond, Spread: 20 * time.Millisecond}
	if c.places != nil {
		self.Reach = c.places.reach(m.name)
	}
	db, err := embedded.Open(context.Background(), dir, append([]embedded.Option{
		embedded.Memory(int64(1+len(c.more)) * 16 << 20), embedded.OnDisk(m.fs), embedded.OnClock(m.clock), embedded.Cluster(logs, m.name, self),
	}, m.opts...)...)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	m.DB, m.log, m.line = db, ways[0], mainstemtest.NewFlaky(db.Direct())
	return nil
}

func (c *cluster) stop(m *member) {
	c.mu.Lock()
	db, line := m.DB, m.line
	m.DB, m.line = nil, nil
	c.mu.Unlock()
	if db == nil {
		return
	}
	line.Cut()
	m.log.Cut(false)
	if err := db.Close(); err != nil {
		c.t.Errorf("closing node %s: %v", m.name, err)
	}
}

// dial reaches a node as long as its line is there.
func (c *cluster) dial(address string) (mainstem.Backend, error) {
	return reaching{c, address}, nil
}

// reaching looks up the node for each call, as a connection is made anew.
type reaching struct {
	c       *cluster
	address string
}

func (r reaching) line() (mainstem.Backend, error) {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	for _, m := range r.c.nodes {
		if m.name == r.address && m.line != nil {
			return m.line, nil
		}
	}
	return nil, mainstem.Errorf(mainstem.Unavailable, "node %s is down", r.address)
}

func (r reaching) Commit(ctx context.Context, t *mainstem.Transaction) (*mainstem.Receipt, error) {
	b, err := r.line()
	if err != nil {
		return nil, err
	}
	return b.Commit(ctx, t)
}

func (r reaching) View(ctx context.Context, v mainstem.ViewRequest) (mainstem.Snapshot, error) {
	b, err := r.line()
	if err != nil {
		return nil, err
	}
	return b.View(ctx, v)
}

// Changes is never asked for: nodes read the log.
func (r reaching) Changes(context.Context, mainstem.From) iter.Seq2[mainstem.Batch, error] {
	return func(yield func(mainstem.Batch, error) bool) {
		yield(mainstem.Batch{}, mainstem.Errorf(mainstem.Invalid, "a node asked another for its feed"))
	}
}

func (r reaching) Close() error { return nil }

// cut takes a node off the network: others, and the log, cannot be reached.
func (m *member) cut(off bool) {
	m.log.Cut(off)
	if off {
		m.line.Cut()
	} else {
		m.line.Heal()
	}
}

// put writes one key through a node.
func (c *cluster) put(m *member, name, value string) *mainstem.Receipt {
	c.t.Helper()
	r, err := c.tryPut(m, name, value)
	if err != nil {
		c.t.Fatalf("put %s=%s through node %s: %v", name, value, m.name, err)
	}
	return r
}

var puts atomic.Int64

func (c *cluster) tryPut(m *member, name, value string) (*mainstem.Receipt, error) {
	ctx, cancel := context.WithTimeout(c.t.Context(), 10*time.Second)
	defer cancel()
	return m.Group("g").Do(ctx, fmt.Sprint("put-", puts.Add(1)), func(tx *mainstem.Txn) error {
		tx.Put(name, []byte(value))
		return nil
	})
}

// want reads one key through a node.
func (c *cluster) want(m *member, at mainstem.Consistency, name, value string) {
	c.t.Helper()
	v, err := m.Get(c.t.Context(), "g", name, at)
	if err != nil || string(v.Value.Bytes) != value {
		c.t.Errorf("node %s reads %s=%q, %v; want %q (L8)", m.name, name, v.Value.Bytes, err, value)
	}
}

// report is what a node says of its one partition.
func (m *member) report() node.Report { return m.Backend().(*node.Node).Reports()[0] }

func (m *member) figures() node.PartitionFigures { return m.Figures().Partitions[0] }

// eventually waits for something that other goroutines bring about.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); {
		if time.Now().After(end) {
			t.Fatalf("did not come about within 20 s: %s", what)
		}
		<-time.After(time.Millisecond)
	}
}

// same waits until all nodes have applied the same, and checks that they are whole.
func (c *cluster) same() {
	c.t.Helper()
	first := c.nodes[0]
	eventually(c.t, "all nodes have applied the same record", func() bool {
		for _, m := range c.nodes {
			if m.report().Hash != first.report().Hash {
				return false
			}
		}
		return true
	})
}

// feed is every change that a node's feed has, by ID.
func (c *cluster) feed(m *member) map[string]int {
	c.t.Helper()
	seen := map[string]int{}
	for b, err := range m.Changes(c.t.Context(), mainstem.From{Drain: true}) {
		if err != nil {
			c.t.Fatalf("the feed of node %s: %v", m.name, err)
		}
		for _, change := range b.Changes {
			seen[change.ID.String()]++
		}
	}
	return seen
}

func newMem() disk.FS               { return disk.NewMem() }
func newClock() *mainstemtest.Clock { return mainstemtest.NewClock() }

func openNode(logs *journal.Database, name string, self node.Shared) (*embedded.DB, error) {
	return embedded.Open(context.Background(), dir, embedded.Memory(16<<20), embedded.OnDisk(newMem()), embedded.Cluster(logs, name, self))
}
