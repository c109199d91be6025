//go:build linux

package postgres_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/internal/pgserver"
	"github.com/mainstemdb/mainstem/internal/pgtest"
	"github.com/mainstemdb/mainstem/internal/smalldisk"
	"github.com/mainstemdb/mainstem/node"
)

// TestFullDisk: while the server has no room a write is refused, or not known; reads
// of this node go on, and once there is room the same node goes on by itself, with
// everything that it acknowledged and nothing twice.
func TestFullDisk(t *testing.T) {
	running(t)
	full := smalldisk.New(t)
	s := pgtest.Start(t, pgserver.Config{Dir: full.Dir, Settings: []string{"max_wal_size=64MB", "shared_buffers=16MB"}})
	logs := open(t, install(t, s, 1))
	db, err := embedded.Open(t.Context(), "node-0", embedded.OnDisk(disk.NewMem()), embedded.Memory(16<<20),
		embedded.Cluster(logs, "node-0", node.Shared{Patience: time.Second}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	large := make([]byte, 200<<10)
	acknowledged, n := map[string]bool{}, 0
	put := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		n++
		name := fmt.Sprint(n)
		_, err := db.Group("g").Do(ctx, "", func(tx *mainstem.Txn) error { tx.Put(name, large); return nil })
		acknowledged[name] = err == nil
		return err
	}
	if err := put(); err != nil {
		t.Fatal(err)
	}
	full.Fill()
	for err == nil {
		if err = put(); n > 1000 {
			t.Fatal("the disk is never full")
		}
	}
	switch mainstem.CodeOf(err) {
	case mainstem.Unavailable, mainstem.Undecided, mainstem.Cancelled:
	default:
		t.Errorf("a write on a full disk: %v", err)
	}
	if _, err := db.Get(t.Context(), "g", "1", mainstem.Local()); err != nil {
		t.Errorf("a read while the server's disk is full: %v", err)
	}
	full.Empty()
	_ = s.Kill() // it may have ended already, for want of room for its own log
	if err := s.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	for since := time.Now(); ; {
		if err = put(); err == nil {
			break
		}
		if time.Since(since) > 30*time.Second {
			t.Fatalf("there is room again, and still: %v", err)
		}
	}
	for name, is := range acknowledged {
		v, err := db.Get(t.Context(), "g", name, mainstem.Latest())
		if err != nil || is && !v.Exists {
			t.Errorf("%s: exists %t, acknowledged %t, %v (L4)", name, v.Exists, is, err)
		}
	}
}
