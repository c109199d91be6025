package embedded_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/blob"
	blobdir "github.com/mainstemdb/mainstem/blob/dir"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/node"
)

// TestRestoreFrom: from snapshots alone, and with an archive up to the last record. The
// log was trimmed meanwhile.
func TestRestoreFrom(t *testing.T) {
	s := save(t, embedded.Retain(0))
	s.write(10)
	s.snapshot()
	s.write(10)
	s.snapshot()
	s.archived()
	if err := s.db.Trim(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.write(5)
	s.archived()
	closed(t, s.db)
	db, found, err := s.restore(embedded.Recovery{})
	if err != nil {
		t.Fatal(err)
	}
	if f := found[0]; f.Records < 5 || f.Position != s.log[24].Position || len(f.PassedOver) > 0 {
		t.Errorf("%+v", f)
	}
	s.has(db, 25)
	s.verified(db)
	// The same without what is archived.
	for _, name := range s.named("/records-") {
		if err := s.store.Delete(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	db, found, err = s.restore(embedded.Recovery{})
	if err != nil {
		t.Fatal(err)
	}
	if f := found[0]; f.Records != 0 || f.Position != s.log[19].Position {
		t.Errorf("%+v", f)
	}
	s.has(db, 20)
	s.verified(db)
}

func (s *saved) named(text string) []string {
	s.t.Helper()
	all, err := s.store.List(s.t.Context(), "")
	if err != nil {
		s.t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(name string) bool { return !strings.Contains(name, text) })
}

// TestRestoreUntil: to every position and to moments between, from the snapshot that is
// before it.
func TestRestoreUntil(t *testing.T) {
	s := save(t)
	var before []time.Time
	for i := range 12 {
		before = append(before, s.clock.Wall())
		s.write(1)
		if i == 2 || i == 7 {
			s.snapshot()
		}
	}
	s.archived()
	closed(t, s.db)
	for n := 3; n <= 12; n++ {
		db, found, err := s.restore(embedded.Recovery{Position: s.log[n-1].Position})
		if err != nil {
			t.Fatalf("until write %d: %v", n, err)
		}
		if want := map[bool]uint64{true: 8, false: 3}[n >= 8]; uint64(found[0].Snapshot) < want {
			t.Errorf("until write %d it begins with snapshot %d", n, found[0].Snapshot)
		}
		s.has(db, n)
		closed(t, db)
		if n == 12 {
			break
		}
		db, _, err = s.restore(embedded.Recovery{Time: before[n]})
		if err != nil {
			t.Fatalf("until before write %d: %v", n+1, err)
		}
		s.has(db, n)
		closed(t, db)
	}
	if _, _, err := s.restore(embedded.Recovery{Position: 1}); mainstem.CodeOf(err) != mainstem.Trimmed {
		t.Errorf("until before the oldest snapshot: %v, want trimmed", err)
	}
}

// TestRestoreFindsDamage: whatever is damaged or gone in the store, what is restored is
// right or nothing is (L12).
func TestRestoreFindsDamage(t *testing.T) {
	s := save(t)
	s.write(5)
	s.snapshot()
	s.write(5)
	s.snapshot()
	s.write(5)
	s.archived()
	closed(t, s.db)
	names := s.named("")
	for _, name := range names {
		data, err := s.store.Get(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		flipped := bytes.Clone(data)
		flipped[len(flipped)/2] ^= 1
		for what, harm := range map[string]func() error{
			"is damaged": func() error { return s.store.Put(t.Context(), name, flipped) },
			"is gone":    func() error { return s.store.Delete(t.Context(), name) },
		} {
			if err := harm(); err != nil {
				t.Fatal(err)
			}
			db, found, err := s.restore(embedded.Recovery{})
			if err == nil {
				gone := strings.Contains(name, "/records-") && what == "is gone" // then nobody can know that it was there
				if !gone {
					s.has(db, 15)
				}
				newest := strings.Contains(name, "snapshot-") && name >= names[len(names)/2]
				if newest && !strings.HasSuffix(name, "manifest") && !strings.HasSuffix(name, "record") && len(found[0].PassedOver) == 0 {
					t.Errorf("%s %s, and nothing is said", name, what)
				}
				closed(t, db)
			} else if mainstem.CodeOf(err) != mainstem.Corrupt {
				t.Errorf("%s %s: %v, want corrupt (L12)", name, what, err)
			}
			if err := s.store.Put(t.Context(), name, data); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestRestoreIsInterrupted: the disk fails at some operation; nothing is there, and a
// second run restores.
func TestRestoreIsInterrupted(t *testing.T) {
	s := save(t)
	s.write(5)
	s.snapshot()
	s.write(2)
	s.archived()
	closed(t, s.db)
	faults := disk.NewFaults(s.fs)
	store := s.store
	s.fs = faults
	step := int64(1)
	for n := int64(1); ; n += step {
		faults.Inject(disk.Fault{At: faults.Seen() + n, Err: disk.ErrIO, Stays: true})
		seen, injected := faults.Seen(), faults.Injected()
		_, err := embedded.RestoreFrom(t.Context(), embedded.Recovery{From: store}, "restored", s.options()...)
		hit := faults.Injected() > injected
		step = max(step, (faults.Seen()-seen)/40)
		faults.Heal()
		if !hit {
			break
		}
		exists, statErr := disk.Exists(faults, "restored")
		if err == nil || statErr != nil {
			t.Fatalf("operation %d failed, and the restore says %v, %v", n, err, statErr)
		}
		if exists { // only what makes its name durable has failed
			if err := s.fs.RemoveAll("restored"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.fs.RemoveAll("restored"); err != nil {
		t.Fatal(err)
	}
	db, _, err := s.restore(embedded.Recovery{From: store})
	if err != nil {
		t.Fatal(err)
	}
	s.has(db, 7)
	closed(t, db)
}

// TestRestoredAgain: the restored database goes on into the same store, and a restore from
// there is of what it has written, not of the history that was given up.
func TestRestoredAgain(t *testing.T) {
	s := save(t)
	s.write(5)
	s.snapshot()
	s.write(5)
	s.snapshot()
	s.archived()
	closed(t, s.db)
	db, _, err := s.restore(embedded.Recovery{Position: s.log[6].Position})
	if err != nil {
		t.Fatal(err)
	}
	s.has(db, 7)
	closed(t, db)
	s.log = s.log[:7]
	s.db = open(t, "restored", append(s.options(), embedded.Snapshots(s.store), embedded.Archive(s.store))...)
	s.write(2)
	s.snapshot()
	s.write(1)
	s.archived()
	closed(t, s.db)
	s.restoredAgain()
}

// TestRestoreRefuses what is not there, and says what is.
func TestRestoreRefuses(t *testing.T) {
	s := save(t)
	empty := blobdir.OnDisk(disk.NewMem(), "empty")
	if _, _, err := s.restore(embedded.Recovery{From: empty}); mainstem.CodeOf(err) != mainstem.Invalid {
		t.Errorf("from an empty store: %v", err)
	}
	s.write(1)
	s.snapshot()
	closed(t, s.db)
	other := open(t, "other", append(s.options(), embedded.Snapshots(s.store))...)
	set(t, other, "g", "n", "x")
	if err := other.Snapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	closed(t, other)
	_, _, err := s.restore(embedded.Recovery{})
	if e, ok := errors.AsType[*mainstem.Error](err); !ok || e.Code != mainstem.Invalid || !strings.Contains(e.Help(), "name one of") {
		t.Errorf("from a store with two databases: %v", err)
	}
	if _, _, err := s.restore(embedded.Recovery{Database: "00"}); mainstem.CodeOf(err) != mainstem.Invalid {
		t.Errorf("a database that is not there: %v", err)
	}
	if _, err := embedded.RestoreFrom(t.Context(), embedded.Recovery{From: s.store}, "db", s.options()...); mainstem.CodeOf(err) != mainstem.Invalid {
		t.Errorf("into a directory that is there: %v", err)
	}
	away := refusing{s.store}
	if _, _, err := s.restore(embedded.Recovery{From: away}); mainstem.CodeOf(err) != mainstem.Unavailable {
		t.Errorf("from a store that is away: %v, want unavailable", err)
	}
}

type refusing struct{ blob.Store }

func (refusing) List(context.Context, string) ([]string, error) {
	return nil, errors.New("the store is away")
}

// restoredAgain checks that the store now restores what the restored database has written.
func (s *saved) restoredAgain() {
	s.t.Helper()
	if err := s.fs.Rename("restored", "first"); err != nil {
		s.t.Fatal(err)
	}
	db, _, err := s.restore(embedded.Recovery{})
	if err != nil {
		s.t.Fatal(err)
	}
	if v, err := db.Get(s.t.Context(), "g", "n", mainstem.Latest()); err != nil || v.Value.Int != int64(len(s.log)) {
		s.t.Errorf("n is %d, %v; want %d, of the second history", v.Value.Int, err, len(s.log))
	}
	closed(s.t, db)
}

// TestRestoredDepositsItsOwn: what a restored database puts into the store that it came
// from is a snapshot of its own history, without being told: until then nothing that it
// has acknowledged could be restored (L1).
func TestRestoredDepositsItsOwn(t *testing.T) {
	s := save(t)
	s.clock.Advance(2 * node.DepositEvery)
	s.write(5)
	s.snapshot()
	s.write(5)
	s.archived()
	closed(t, s.db)
	db, _, err := s.restore(embedded.Recovery{Position: s.log[6].Position})
	if err != nil {
		t.Fatal(err)
	}
	closed(t, db)
	s.log = s.log[:7]
	s.db = open(t, "restored", append(s.options(), embedded.Snapshots(s.store), embedded.Archive(s.store))...)
	for end := time.Now().Add(20 * time.Second); ; <-time.After(5 * time.Millisecond) {
		s.write(1)
		if unsaved := s.db.Figures().Partitions[0].Unsaved; unsaved >= 0 && unsaved < node.DepositEvery {
			break
		}
		if time.Now().After(end) {
			t.Fatal("nothing was deposited within 20 s")
		}
	}
	s.archived()
	closed(t, s.db)
	s.restoredAgain()
}

// awaited is a store whose first list of an archive waits until it may.
type awaited struct {
	blob.Store
	once       *sync.Once
	asked, may chan struct{}
}

func (a awaited) List(ctx context.Context, prefix string) ([]string, error) {
	if strings.Contains(prefix, "/records-") {
		a.once.Do(func() { close(a.asked); <-a.may })
	}
	return a.Store.List(ctx, prefix)
}

// TestArchiveBeginsBesideAWrite: what is written while an archive is looked for, of a log
// that does not begin with the first record, is no gap.
func TestArchiveBeginsBesideAWrite(t *testing.T) {
	s := save(t)
	s.write(5)
	s.snapshot()
	s.archived()
	closed(t, s.db)
	db, _, err := s.restore(embedded.Recovery{})
	if err != nil {
		t.Fatal(err)
	}
	closed(t, db)
	a := awaited{s.store, new(sync.Once), make(chan struct{}), make(chan struct{})}
	s.db = open(t, "restored", append(s.options(), embedded.Archive(a))...)
	<-a.asked
	s.write(2)
	close(a.may)
	s.archived()
	if s.db.Figures().Partitions[0].ArchiveBroken {
		t.Error("the archive has ended")
	}
	closed(t, s.db)
}
