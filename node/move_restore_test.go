package node_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/node"
)

// TestRestoreAcrossMoves: a backup from before the database moved, and the archive of
// all that came after, are the database as it was at any moment since; it is in its
// directory then, and in no log that it had moved to (L1).
func TestRestoreAcrossMoves(t *testing.T) {
	s := newShelf(disk.NewMem())
	c, w := movable(t, 1, embedded.Snapshots(s), embedded.Archive(s))
	a := c.nodes[0]
	c.fill(a, "before", 5)
	if err := a.Snapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a snapshot is in the store", func() bool { return len(s.named(t, "manifest")) > 0 })
	c.fill(a, "between", 5)
	stay := a.report().Position
	for i, url := range []string{"log://one", "log://two"} {
		w.add(url, byte(i+1), 1)
		c.move(a, url)
		c.fill(a, url, 5)
	}
	end := a.report().Position
	eventually(t, "all is archived", func() bool { return a.figures().Unarchived == 0 })
	for name, until := range map[string]mainstem.Position{"all of it": 0, "up to the first move": stay, "between the moves": stay + 3} {
		t.Run(name, func(t *testing.T) {
			want := until
			if until == 0 {
				want = end
			}
			fs, opts := newMem(), []embedded.Option{embedded.Memory(32 << 20), embedded.SegmentSize(1 << 20)}
			opts = append(opts, embedded.OnDisk(fs), embedded.OnClock(newClock()), embedded.Movable("r", node.Shared{Reach: w.reach("r")}))
			found, err := embedded.RestoreFrom(t.Context(), embedded.Recovery{From: s, Position: until}, dir, opts...)
			if err != nil || found[0].Position != want {
				t.Fatalf("%+v, %v; want position %s", found, err, want)
			}
			restored := func(step string) *embedded.DB {
				t.Helper()
				db, err := embedded.Open(t.Context(), dir, opts...)
				if err != nil {
					t.Fatalf("%s: %v", step, err)
				}
				v, err := db.Group("g").View(t.Context(), mainstem.Latest())
				must(t, err)
				defer v.Close()
				n := 0
				for _, err := range v.Scan(t.Context(), "", "") {
					if err != nil {
						t.Fatalf("%s: %v", step, err)
					}
					n++
				}
				if mainstem.Position(n) != want {
					t.Errorf("%s: %d keys, want %s", step, n, want)
				}
				return db
			}
			db := restored("restored")
			if _, err := db.Group("g").Do(t.Context(), "", func(tx *mainstem.Txn) error { tx.Put("before0", []byte("new")); return nil }); err != nil {
				t.Error(err)
			}
			must(t, db.Close())
			must(t, fs.RemoveAll(dir+"/p0000/state"))
			db = restored("with its state rebuilt")
			third := fmt.Sprint("log://three ", name)
			w.add(third, byte(10+len(name)), 1).blobs = newShelf(disk.NewMem())
			if _, err := db.Move(t.Context(), third, func(node.MoveProgress) {}); err != nil {
				t.Error(err)
			}
			must(t, db.Close())
			db = restored("after another move")
			must(t, db.Close())
		})
	}
}

func must(t *testing.T, err ...error) {
	t.Helper()
	if err := errors.Join(err...); err != nil {
		t.Fatal(err)
	}
}
