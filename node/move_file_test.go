package node_test

import (
	"context"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/internal/sharedlog"
	"github.com/mainstemdb/mainstem/journal"
	"github.com/mainstemdb/mainstem/mainstemtest"
	"github.com/mainstemdb/mainstem/node"
)

// filed is a database in files, of two partitions, that can move.
type filed struct {
	t     *testing.T
	fs    disk.FS
	clock *mainstemtest.Clock
}

func (f *filed) tryOpen(opts ...embedded.Option) (*embedded.DB, error) {
	return embedded.Open(f.t.Context(), dir, append([]embedded.Option{embedded.Memory(32 << 20), embedded.SegmentSize(1 << 20), embedded.OnDisk(f.fs), embedded.OnClock(f.clock)}, opts...)...)
}

func (f *filed) open(opts ...embedded.Option) *embedded.DB {
	f.t.Helper()
	db, err := f.tryOpen(opts...)
	if err != nil {
		f.t.Fatal(err)
	}
	return db
}

func (f *filed) closing(dbs ...*embedded.DB) {
	f.t.Helper()
	for _, db := range dbs {
		if err := db.Close(); err != nil {
			f.t.Error(err)
		}
	}
}

// groups are in both partitions.
var groups = []string{"g", "h", "i", "j"}

func (f *filed) put(db *embedded.DB, value string) {
	f.t.Helper()
	for _, g := range groups {
		if _, err := db.Group(g).Do(f.t.Context(), "", func(tx *mainstem.Txn) error { tx.Put("k", []byte(value)); return nil }); err != nil {
			f.t.Fatal(err)
		}
	}
}

func (f *filed) want(db *embedded.DB, value string) {
	f.t.Helper()
	for _, g := range groups {
		if v, err := db.Get(f.t.Context(), g, "k", mainstem.Latest()); err != nil || string(v.Value.Bytes) != value {
			f.t.Errorf("%s/k is %q, %v; want %q", g, v.Value.Bytes, err, value)
		}
	}
}

// TestFileMovesToShared: a database in files of its own, of two partitions, moves to
// a log that nodes share, and is a node of it: also when it is opened again, by its
// files or by the new log; and another node joins it.
func TestFileMovesToShared(t *testing.T) {
	w := newPlaces()
	to := w.add("log://to", 1, 2)
	logs := func() embedded.Option {
		db, _ := sharedlog.Database(to.id, to.stores...)
		return embedded.Cluster(db, "a", node.Shared{Reach: w.reach("a")})
	}
	f := &filed{t, newMem(), newClock()}
	movable := embedded.Movable("a", node.Shared{Patience: time.Second, Reach: w.reach("a")})
	db := f.open(embedded.Partitions(2), movable)
	f.put(db, "in files")
	if e := db.Guarantees().Engine; e != "file" {
		t.Fatalf("the engine is %s", e)
	}
	moved, err := db.Move(t.Context(), "log://to", func(node.MoveProgress) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", moved)
	f.put(db, "shared")
	f.want(db, "shared")
	if e := db.Guarantees().Engine; e != "shared memory" {
		t.Errorf("after the move the engine is %s", e)
	}
	eventually(t, "the node is a member", func() bool { return len(db.Backend().(*node.Node).Reports()[0].Members) == 1 })
	others, _ := sharedlog.Database(to.id, to.stores...)
	g := &filed{t, newMem(), f.clock}
	other := g.open(embedded.Cluster(others, "b", node.Shared{Reach: w.reach("b")}))
	f.put(other, "by b")
	f.want(db, "by b")
	f.closing(db)
	f.put(other, "meanwhile")
	if _, err := f.tryOpen(); mainstem.CodeOf(err) != mainstem.Invalid {
		t.Errorf("the files, opened by themselves, after the move: %v", err)
	}
	db = f.open(movable)
	f.want(db, "meanwhile")
	f.closing(db)
	f.put(other, "and on")
	db = f.open(logs())
	f.want(db, "and on")
	f.closing(db, other)
	f.closing(f.open(embedded.ReadOnly()))
}

// paused is a log whose append of the record that moves the database is not answered
// until it may.
type paused struct {
	journal.Log
	there, may chan struct{}
}

func (l paused) Append(ctx context.Context, after journal.Head, bytes []byte) (journal.Head, error) {
	head, err := l.Log.Append(ctx, after, bytes)
	if h, bad := record.Peek(bytes); err == nil && bad == nil && h.Moved != nil {
		close(l.there)
		<-l.may
	}
	return head, err
}

// TestLatestWhileCrossing: from the moment that the new log is live, other nodes write
// there; a node that has not gone over yet does not say that its own files are the latest
// (L8).
func TestLatestWhileCrossing(t *testing.T) {
	w := newPlaces()
	to := w.add("log://to", 1, 1)
	there, may := make(chan struct{}), make(chan struct{})
	reach := func(ctx context.Context, url string) (*journal.Database, error) {
		db, err := w.reach("a")(ctx, url)
		if err == nil {
			db.Logs[0] = paused{db.Logs[0], there, may}
		}
		return db, err
	}
	f := &filed{t, newMem(), newClock()}
	db := f.open(embedded.Movable("a", node.Shared{Patience: time.Second, Reach: reach}))
	f.put(db, "in files")
	moved := make(chan error, 1)
	go func() {
		_, err := db.Move(t.Context(), "log://to", func(node.MoveProgress) {})
		moved <- err
	}()
	<-there
	others, _ := sharedlog.Database(to.id, to.stores...)
	g := &filed{t, newMem(), f.clock}
	other := g.open(embedded.Cluster(others, "b", node.Shared{Reach: w.reach("b")}))
	f.put(other, "by b")
	for _, at := range []mainstem.Consistency{mainstem.Latest(), mainstem.Within(0)} {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		v, err := db.Get(ctx, "g", "k", at)
		cancel()
		if err == nil && string(v.Value.Bytes) != "by b" {
			t.Errorf("while it crosses, the node reads %q at %v", v.Value.Bytes, at.Level)
		}
	}
	close(may)
	if err := <-moved; err != nil {
		t.Error(err)
	}
	f.want(db, "by b")
	f.closing(db, other)
}
