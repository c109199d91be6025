package node_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/blob"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/internal/sharedlog"
	"github.com/mainstemdb/mainstem/journal"
	"github.com/mainstemdb/mainstem/node"
)

// place is a log that a cluster can move to, by the URL that it has in a test.
type place struct {
	id     [16]byte
	stores []*sharedlog.Store
	blobs  blob.Store // beside the log, or nil
}

// database is a node's own way to it.
func (p *place) database() (*journal.Database, []*sharedlog.Log) {
	db, logs := sharedlog.Database(p.id, p.stores...)
	db.Blobs = p.blobs
	return db, logs
}

// places are all of them. A node that is shut out of one does not reach it.
type places struct {
	mu   sync.Mutex
	all  map[string]*place
	shut map[string]bool // node and URL
	logs map[string][]*sharedlog.Log
}

func newPlaces() *places {
	return &places{all: map[string]*place{}, shut: map[string]bool{}, logs: map[string][]*sharedlog.Log{}}
}

// add makes an empty log of so many partitions.
func (w *places) add(url string, number byte, partitions int) *place {
	p := &place{id: [16]byte{0: 0xa, 15: number}}
	for range partitions {
		p.stores = append(p.stores, sharedlog.NewStore())
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all[url] = p
	return p
}

var errAway = errors.New("that log is not reached from here")

// reach is how a node opens one.
func (w *places) reach(name string) func(context.Context, string) (*journal.Database, error) {
	return func(_ context.Context, url string) (*journal.Database, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		p := w.all[url]
		if p == nil || w.shut[name+" "+url] {
			return nil, errAway
		}
		db, logs := p.database()
		w.logs[name+" "+url] = append(w.logs[name+" "+url], logs...)
		return db, nil
	}
}

// bar shuts a node out of a log, or lets it in again.
func (w *places) bar(name, url string, out bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.shut[name+" "+url] = out
	for _, log := range w.logs[name+" "+url] {
		log.Cut(out)
	}
}

// movable starts n nodes that reach the places.
func movable(t *testing.T, n int, opts ...embedded.Option) (*cluster, *places) {
	t.Helper()
	w := newPlaces()
	c := &cluster{t: t, store: sharedlog.NewStore(), places: w}
	for i := range n {
		m := &member{name: string(rune('a' + i)), fs: newMem(), clock: newClock(), opts: opts}
		c.nodes = append(c.nodes, m)
		c.start(m)
	}
	t.Cleanup(func() {
		for _, m := range c.nodes {
			c.stop(m)
		}
	})
	return c, w
}

// move moves the cluster by one of its nodes.
func (c *cluster) move(m *member, url string) *node.Moved {
	c.t.Helper()
	moved, err := c.tryMove(m, url, nil)
	if err != nil {
		c.t.Fatalf("node %s moves to %s: %v", m.name, url, err)
	}
	return moved
}

// tryMove is a move that calls at before each step.
func (c *cluster) tryMove(m *member, url string, at func(step string)) (*node.Moved, error) {
	ctx, cancel := context.WithTimeout(c.t.Context(), 20*time.Second)
	defer cancel()
	step := ""
	return m.Move(ctx, url, func(p node.MoveProgress) {
		if at != nil && p.Step != step {
			at(p.Step)
		}
		step = p.Step
	})
}

// fill writes n keys and remembers the receipts.
func (c *cluster) fill(m *member, prefix string, n int) []*mainstem.Receipt {
	c.t.Helper()
	var all []*mainstem.Receipt
	for i := range n {
		all = append(all, c.put(m, fmt.Sprint(prefix, i), fmt.Sprint(i)))
	}
	return all
}

// generation is the log that a node is on, by its report.
func (m *member) generation() string { return m.report().Generation }

// restart stops a node and starts it again, on the log that the cluster has.
func (c *cluster) restart(m *member) {
	c.t.Helper()
	c.stop(m)
	c.start(m)
}

// findSlot is the slot of the record with an index in the log that a cluster began on.
func findSlot(c *cluster, index uint64) (uint64, error) {
	oldest, records := c.store.Records()
	for i, bytes := range records {
		h, err := record.Peek(bytes)
		if err != nil {
			return 0, err
		}
		if h.Index == index {
			return oldest + uint64(i), nil
		}
	}
	return 0, errAway
}
