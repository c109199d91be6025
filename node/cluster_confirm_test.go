package node_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/journal"
)

// raced is a log on which another node writes whenever this one asks for its tail.
type raced struct {
	journal.Log
	lost  atomic.Int64
	write func()
}

func (l *raced) Confirm(ctx context.Context, head journal.Head) error {
	l.lost.Add(1)
	l.write()
	return l.Log.Confirm(ctx, head)
}

// TestReadBesideTheFirstWrite: a node that has not heard yet who writes confirms a
// read itself, loses to whoever does, and then asks that one: it does not lose again
// and again until the read is refused.
func TestReadBesideTheFirstWrite(t *testing.T) {
	c := gather(t, 1)
	a, b := c.nodes[0], &member{name: "b", fs: newMem(), clock: newClock()}
	log := &raced{write: func() { c.put(a, "k", "v") }}
	b.wrap = func(l journal.Log) journal.Log { log.Log = l; return log }
	c.nodes = append(c.nodes, b)
	c.start(b)
	c.want(b, mainstem.Latest(), "k", "v")
	if n := log.lost.Load(); n != 1 {
		t.Errorf("the node has asked the log itself %d times, want once", n)
	}
}
