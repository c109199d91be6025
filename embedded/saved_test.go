package embedded_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/blob"
	blobdir "github.com/mainstemdb/mainstem/blob/dir"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/mainstemtest"
)

// saved is a database whose snapshots and records go to a store.
type saved struct {
	t     *testing.T
	fs    disk.FS
	clock *mainstemtest.Clock
	store blob.Store
	db    *embedded.DB
	// log is the receipts of what was written, in order.
	log []*mainstem.Receipt
}

func save(t *testing.T, opts ...embedded.Option) *saved {
	t.Helper()
	s := &saved{t: t, fs: disk.NewMem(), clock: mainstemtest.NewClock()}
	s.store = blobdir.OnDisk(s.fs, "blobs")
	s.db = open(t, "db", append(s.options(), append(opts, embedded.Snapshots(s.store), embedded.Archive(s.store))...)...)
	return s
}

func (s *saved) options() []embedded.Option {
	return []embedded.Option{embedded.OnDisk(s.fs), embedded.OnClock(s.clock), embedded.Memory(32 << 20), embedded.SegmentSize(64 << 10)}
}

func (s *saved) write(n int) {
	s.t.Helper()
	for range n {
		i := len(s.log)
		r, err := s.db.Group("g").Do(s.t.Context(), fmt.Sprint("id-", i), func(tx *mainstem.Txn) error {
			tx.Set("n", int64(i+1))
			tx.Put(fmt.Sprint("k", i%5), fmt.Append(nil, i))
			tx.Append("s", mainstem.Event{Type: "e", Data: fmt.Append(nil, i)})
			return nil
		})
		if err != nil {
			s.t.Fatal(err)
		}
		s.log = append(s.log, r)
		s.clock.Advance(time.Second)
	}
}

func (s *saved) snapshot() {
	s.t.Helper()
	if err := s.db.Snapshot(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// archived waits until all that is written is in the archive.
func (s *saved) archived() {
	s.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; <-time.After(time.Millisecond) {
		if f := s.db.Figures().Partitions[0]; f.Unarchived == 0 {
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("not archived within 20 s: %s behind", s.db.Figures().Partitions[0].Unarchived)
		}
	}
}

func (s *saved) restore(r embedded.Recovery) (*embedded.DB, []embedded.Restored, error) {
	s.t.Helper()
	if r.From == nil {
		r.From = s.store
	}
	if err := s.fs.RemoveAll("restored"); err != nil {
		s.t.Fatal(err)
	}
	found, err := embedded.RestoreFrom(s.t.Context(), r, "restored", s.options()...)
	if err != nil {
		for _, name := range []string{"restored", "restored.tmp"} {
			if exists, err := disk.Exists(s.fs, name); exists || err != nil {
				s.t.Errorf("a restore that failed left %s, %v", name, err)
			}
		}
		return nil, found, err
	}
	return open(s.t, "restored", s.options()...), found, nil
}

// has checks that a restored database has the first n writes and no more.
func (s *saved) has(db *embedded.DB, n int) {
	s.t.Helper()
	ctx := s.t.Context()
	v, err := db.Get(ctx, "g", "n", mainstem.Latest())
	if err != nil || v.Value.Int != int64(n) {
		s.t.Fatalf("%d writes are restored, %v; want %d", v.Value.Int, err, n)
	}
	last := s.log[n-1]
	if _, err := db.Get(ctx, "g", "n", mainstem.AtLeast(last.Token)); err != nil {
		s.t.Errorf("the token of write %d, which was restored: %v", n, err)
	}
	if n < len(s.log) {
		if _, err := db.Get(ctx, "g", "n", mainstem.AtLeast(s.log[n].Token)); mainstem.CodeOf(err) != mainstem.HistoryLost {
			s.t.Errorf("the token of write %d, which was not restored: %v, want history lost (L1)", n+1, err)
		}
	}
	r, err := db.Group("g").Do(ctx, fmt.Sprint("id-", n-1), func(tx *mainstem.Txn) error { tx.Put("x", nil); return nil })
	if err != nil || !r.Replayed || r.Position != last.Position {
		s.t.Errorf("the ID of write %d ran again (L5): %+v, %v", n, r, err)
	}
	next, err := db.Group("g").Do(ctx, "after", func(tx *mainstem.Txn) error { tx.Put("x", nil); return nil })
	if err != nil || next.Position <= last.Position+1<<40 || next.Incarnation == last.Incarnation {
		s.t.Errorf("the next write is at %v in incarnation %v, %v; want 2^40 further, in another one (L1)", next.Position, next.Incarnation, err)
	}
	events := 0
	view, err := db.Group("g").View(ctx, mainstem.Latest())
	if err != nil {
		s.t.Fatal(err)
	}
	defer view.Close()
	for e, err := range view.Events(ctx, "s", 0) {
		if err != nil || string(e.Data) != fmt.Sprint(events) {
			s.t.Fatalf("event %d is %q, %v", events, e.Data, err)
		}
		events++
	}
	if events != n {
		s.t.Errorf("%d events, want %d", events, n)
	}
}

// verified closes a restored database and replays its log from the snapshot on, against
// every digest that was recorded (L12).
func (s *saved) verified(db *embedded.DB) {
	s.t.Helper()
	closed(s.t, db)
	found, err := embedded.Verify(s.t.Context(), "restored", "scratch", func(int, uint64, uint64) {}, s.options()...)
	if err != nil || found[0].Problem != "" {
		s.t.Errorf("what was restored does not verify: %v, %+v", err, found)
	}
}
