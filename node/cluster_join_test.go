package node_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/blob"
	blobdir "github.com/mainstemdb/mainstem/blob/dir"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/disk"
)

// shelf is a blob store that counts, and that refuses on command.
type shelf struct {
	blob.Store
	puts, gets atomic.Int64
	// left is how many calls are still answered; below zero all are.
	left atomic.Int64
}

var errShelf = errors.New("the store of blobs is away")

func newShelf(fs disk.FS) *shelf {
	s := &shelf{Store: blobdir.OnDisk(fs, "blobs")}
	s.left.Store(-1)
	return s
}

func (s *shelf) refuse() error {
	switch n := s.left.Load(); {
	case n == 0:
		return errShelf
	case n > 0:
		s.left.Add(-1)
	}
	return nil
}

func (s *shelf) Put(ctx context.Context, name string, data []byte) error {
	if err := s.refuse(); err != nil {
		return err
	}
	s.puts.Add(1)
	return s.Store.Put(ctx, name, data)
}

func (s *shelf) Get(ctx context.Context, name string) ([]byte, error) {
	if err := s.refuse(); err != nil {
		return nil, err
	}
	s.gets.Add(1)
	return s.Store.Get(ctx, name)
}

func (s *shelf) List(ctx context.Context, prefix string) ([]string, error) {
	if err := s.refuse(); err != nil {
		return nil, err
	}
	return s.Store.List(ctx, prefix)
}

// named are the blobs whose name holds a text.
func (s *shelf) named(t *testing.T, text string) []string {
	t.Helper()
	all, err := s.Store.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	var some []string
	for _, name := range all {
		if strings.Contains(name, text) {
			some = append(some, name)
		}
	}
	return some
}

// damage makes the store return something else for a blob.
func (s *shelf) damage(t *testing.T, name string) {
	t.Helper()
	data, err := s.Store.Get(t.Context(), name)
	if err == nil {
		data[len(data)/2] ^= 1
		err = s.Put(t.Context(), name, data)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// shelved is a cluster with a store of blobs, in which records are kept for no time.
func shelved(t *testing.T, n int) (*cluster, *shelf) {
	t.Helper()
	s := newShelf(disk.NewMem())
	return gather(t, n, embedded.Snapshots(s), embedded.Retain(0)), s
}

// filled writes some keys and lets time go by on every node.
func (c *cluster) filled(m *member, round string) {
	c.t.Helper()
	for i := range 10 {
		c.put(m, fmt.Sprint("k", i), round+fmt.Sprint(i))
	}
	for _, m := range c.nodes {
		m.clock.Advance(time.Minute)
	}
}

// trimmed makes two snapshots through a node and trims the log, so that it no longer
// reaches back to its beginning.
func (c *cluster) trimmed(m *member) {
	c.t.Helper()
	for i := range 2 {
		c.filled(m, fmt.Sprint("round ", i, ", "))
		if err := m.Snapshot(c.t.Context()); err != nil {
			c.t.Fatal(err)
		}
	}
	c.filled(m, "last, ")
	if err := m.Trim(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	if oldest, _ := c.store.Records(); oldest == 1 {
		c.t.Fatal("the log was not trimmed")
	}
}

// whole checks that a node has all that trimmed has written, and agrees with the others.
func (c *cluster) whole(m *member) {
	c.t.Helper()
	for i := range 10 {
		c.want(m, mainstem.Latest(), fmt.Sprint("k", i), "last, "+fmt.Sprint(i))
	}
	c.same()
	if r := m.report(); r.Error != "" || len(r.Contested) > 0 {
		c.t.Errorf("node %s: %s %v", m.name, r.Error, r.Contested)
	}
}

// wipe takes a node's directory away.
func (c *cluster) wipe(m *member) {
	c.stop(m)
	m.fs, m.clock = newMem(), newClock()
}

// TestWipedNodeJoins: a node that lost everything begins from the newest snapshot, and
// reads no more than what the log has after it. IDs, versions and the feed's end are
// there as on every other node (L5).
func TestWipedNodeJoins(t *testing.T) {
	c, s := shelved(t, 3)
	a, d := c.nodes[0], c.nodes[2]
	once := func(m *member) *mainstem.Receipt {
		r, err := m.Group("g").Do(t.Context(), "pay-1", func(tx *mainstem.Txn) error { tx.Add("paid", 1); return nil })
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	first := once(a)
	asOf := c.put(a, "old", "first").Position
	c.put(a, "old", "second")
	c.trimmed(a)
	c.wipe(d)
	gets := s.gets.Load()
	c.start(d)
	if s.gets.Load() == gets {
		t.Error("the node asked the store for nothing")
	}
	c.whole(d)
	if r := once(d); !r.Replayed || r.Position != first.Position {
		t.Errorf("an ID from before the snapshot ran again on the node that joined (L5): %+v", r)
	}
	c.want(d, mainstem.AsOf(asOf), "old", "first")
	c.stop(a)
	c.put(d, "k0", "after")
	c.want(c.nodes[1], mainstem.Latest(), "k0", "after")
}

// TestNewNodeJoins: one that was never there.
func TestNewNodeJoins(t *testing.T) {
	c, _ := shelved(t, 1)
	c.trimmed(c.nodes[0])
	m := &member{name: "z", fs: newMem(), clock: newClock(), opts: c.nodes[0].opts}
	c.nodes = append(c.nodes, m)
	c.start(m)
	c.whole(m)
}

// TestNodeThatWasAwayJoins: the log was trimmed past it while it was down. It begins anew
// by itself, and what it had is gone.
func TestNodeThatWasAwayJoins(t *testing.T) {
	c, _ := shelved(t, 3)
	a, d := c.nodes[0], c.nodes[2]
	c.filled(a, "before, ")
	c.same()
	c.stop(d)
	c.trimmed(a)
	c.start(d)
	c.whole(d)
	names, err := d.fs.List(dir + "/p0000")
	if err != nil {
		t.Fatal(err)
	}
	if joined := strings.Join(names, " "); strings.Contains(joined, "joining") || strings.Contains(joined, "state-behind") {
		t.Errorf("what joining needed is left: %s", joined)
	}
}

// TestRunningNodeThatFellBehind: it was cut off, and the log was trimmed past it. It stops,
// says that opening it again is enough, and it is.
func TestRunningNodeThatFellBehind(t *testing.T) {
	c, _ := shelved(t, 2)
	a, b := c.nodes[0], c.nodes[1]
	c.filled(a, "before, ")
	c.same()
	b.cut(true)
	c.trimmed(a)
	b.cut(false)
	select {
	case <-b.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("a node that the log no longer reaches back to goes on")
	}
	if err := b.Err(); mainstem.CodeOf(err) != mainstem.Unavailable || !strings.Contains(errors.Join(err).Error(), "away") {
		t.Errorf("it stopped because of %v", err)
	}
	c.stop(b)
	c.start(b)
	c.whole(b)
}

// TestDamagedSnapshotIsPassedOver: the newest is damaged, anywhere; the older one is taken,
// and the log reaches back to it (L12). With both damaged the node refuses to open, and
// nothing wrong is served.
func TestDamagedSnapshotIsPassedOver(t *testing.T) {
	for _, part := range []string{"manifest", "chunk", "record"} {
		t.Run(part, func(t *testing.T) {
			c, s := shelved(t, 2)
			a, b := c.nodes[0], c.nodes[1]
			c.trimmed(a)
			all := s.named(t, "/"+part)
			if len(all) < 2 {
				t.Fatalf("%q", all)
			}
			s.damage(t, all[len(all)-1])
			c.wipe(b)
			c.start(b)
			c.whole(b)
			if part == "record" {
				return // of use to a restore only: joining has it from the log
			}
			s.damage(t, all[0])
			c.wipe(b)
			if err := c.tryStart(b); mainstem.CodeOf(err) != mainstem.Corrupt {
				t.Errorf("with both snapshots damaged it opens: %v", err)
			}
		})
	}
}

// TestForeignSnapshotIsPassedOver: a newer snapshot of another log of the same database, as
// a restore leaves behind, is not this log's (L2).
func TestForeignSnapshotIsPassedOver(t *testing.T) {
	s := newShelf(disk.NewMem())
	other := gather(t, 1, embedded.Snapshots(s), embedded.Retain(0))
	for range 3 {
		other.trimmed(other.nodes[0])
	}
	c := gather(t, 2, embedded.Snapshots(s), embedded.Retain(0))
	c.trimmed(c.nodes[0])
	c.wipe(c.nodes[1])
	c.start(c.nodes[1])
	c.whole(c.nodes[1])
}

// TestJoiningIsInterrupted at every call of the store, and at each moment the power is
// cut. Opened again, the node joins; nothing of a half is ever served.
func TestJoiningIsInterrupted(t *testing.T) {
	c, s := shelved(t, 2)
	a, b := c.nodes[0], c.nodes[1]
	c.trimmed(a)
	for n := int64(0); ; n++ {
		c.wipe(b)
		s.left.Store(n)
		err := c.tryStart(b)
		left := s.left.Swap(-1)
		if err == nil && left > 0 {
			break
		}
		if err != nil && mainstem.CodeOf(err) != mainstem.Unavailable {
			t.Errorf("the store went away after %d calls: %v, want unavailable", n, err)
		}
		if err != nil {
			c.start(b)
		}
		c.whole(b)
	}
	c.whole(b)
	c.stop(b)
	seen := int64(0)
	for n := int64(1); ; n += 1 + seen/60 {
		power, err := disk.NewPower(disk.NewMem(), disk.PowerConfig{})
		if err != nil {
			t.Fatal(err)
		}
		faults := disk.NewFaults(power)
		b.fs, b.clock = faults, newClock()
		faults.Inject(disk.Fault{At: n, Err: disk.ErrIO, Stays: true})
		err = c.tryStart(b)
		seen = max(seen, faults.Seen())
		if err == nil {
			c.stopFailed(b)
			if faults.Injected() == 0 {
				break
			}
		}
		cut, err := power.Crash(uint64(n), 0.5)
		if err != nil {
			t.Fatal(err)
		}
		b.fs, b.clock = cut, newClock()
		c.start(b)
		c.whole(b)
		c.stop(b)
	}
}

// stopFailed stops a node whose disk may have failed.
func (c *cluster) stopFailed(m *member) {
	c.mu.Lock()
	db := m.DB
	m.DB, m.line = nil, nil
	c.mu.Unlock()
	m.log.Cut(false)
	_ = db.Close() // its disk has failed
}
