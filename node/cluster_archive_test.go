package node_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/backup"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/internal/sharedlog"
	"github.com/mainstemdb/mainstem/journal"
)

// archivedRecords are the records of the one archive in a store.
func archivedRecords(t *testing.T, s *shelf, m *member) (indexes []uint64, err error) {
	t.Helper()
	report := m.report()
	err = backup.Records(t.Context(), s.Store, record.UUID(clusterID), 0, report.Incarnation, journal.Head{}, func(r backup.Stored) error {
		indexes = append(indexes, r.Index)
		return nil
	})
	return indexes, err
}

// TestArchiveFollowsTheWriter: the node that writes archives, whoever that is; what was
// void is left out; and all that was ever acknowledged is there, in one chain.
func TestArchiveFollowsTheWriter(t *testing.T) {
	s := newShelf(disk.NewMem())
	c := gather(t, 2, embedded.Archive(s))
	a, b := c.nodes[0], c.nodes[1]
	complete := func(m *member) {
		t.Helper()
		eventually(t, "everything is archived", func() bool {
			all, err := archivedRecords(t, s, m)
			return err == nil && len(all) > 0 && all[0] == 1 && all[len(all)-1] == uint64(m.report().Index) && len(all) == int(m.report().Index)
		})
	}
	c.put(a, "k", "1")
	complete(a)
	if f := b.figures(); f.Unarchived != -1 {
		t.Errorf("a node that does not write says that its archive is %s behind", f.Unarchived)
	}
	a.log.FailNext(sharedlog.HeldAndCut)
	go func() { _, _ = c.tryPut(a, "k", "held") }() // its outcome is nobody's concern
	eventually(t, "the held append", func() bool { return a.figures().Unknown > 0 })
	a.line.Cut()
	c.put(b, "k", "2")
	a.log.Release()
	a.log.Cut(false)
	a.line.Heal()
	c.put(b, "k", "3")
	complete(b)
	if v := b.figures().Voids; v == 0 {
		t.Error("there was no void record")
	}
	c.stop(b)
	c.put(a, "k", "4")
	complete(a)
}

// TestArchiveHoldsTheLog: while the store of the archive is away, the log is kept for it;
// not for ever. After that the archive has a gap, says so, and holds nothing back.
func TestArchiveHoldsTheLog(t *testing.T) {
	s, snapshots := newShelf(disk.NewMem()), newShelf(disk.NewMem())
	c := gather(t, 1, embedded.Archive(s), embedded.Snapshots(snapshots), embedded.Retain(time.Minute))
	a := c.nodes[0]
	c.put(a, "k", "first")
	eventually(t, "the first records are archived", func() bool { return a.figures().Unarchived == 0 })
	kept := uint64(a.report().Index)
	s.left.Store(0)
	step := func(age time.Duration) uint64 {
		t.Helper()
		for i := range 2 {
			for k := range 5 {
				c.put(a, "k", fmt.Sprint(i, k))
			}
			a.clock.Advance(age)
			if err := a.Snapshot(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		c.put(a, "k", "last")
		if err := a.Trim(t.Context()); err != nil {
			t.Fatal(err)
		}
		oldest, _ := c.store.Records()
		return oldest
	}
	if oldest := step(90 * time.Second); oldest > kept+1 {
		t.Errorf("the archive ends in record %d, and the log begins with slot %d", kept, oldest)
	}
	if f := a.figures(); f.Unarchived < time.Minute {
		t.Errorf("the archive is %s behind, and the state grew for minutes", f.Unarchived)
	}
	if oldest := step(10 * time.Minute); oldest <= kept+1 {
		t.Errorf("the log is held back for an archive that was away for %d times the retention: it begins with slot %d", 20, oldest)
	}
	s.left.Store(-1)
	eventually(t, "the gap is found", func() bool { return a.figures().ArchiveBroken })
	c.put(a, "k", "goes on")
	c.want(a, mainstem.Latest(), "k", "goes on")
}
