package store

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// harmless operations may fail without anyone being told: they free space,
// give hints, ask what is only worth knowing, or are done in another way: a
// table that cannot be linked is copied.
func harmless(k errorfs.OpKind) bool {
	switch k {
	case errorfs.OpLink, errorfs.OpRemove, errorfs.OpRemoveAll, errorfs.OpFilePreallocate, errorfs.OpGetDiskUsage:
		return true
	}
	return false
}

// faulty fails the operation of a given number, counted from one, and, when
// for good, all changes after it.
type faulty struct {
	at      atomic.Int64
	forGood bool
	err     error
	seen    atomic.Int64
	struck  atomic.Bool
	kind    atomic.Int64
	path    atomic.Pointer[string]
}

func (f *faulty) MaybeError(op errorfs.Op) error {
	if harmless(op.Kind) {
		return nil
	}
	n, at := f.seen.Add(1), f.at.Load()
	switch {
	case n == at:
		f.struck.Store(true)
		f.kind.Store(int64(op.Kind))
		f.path.Store(&op.Path)
		return f.err
	case n > at && f.forGood && op.Kind.ReadOrWrite() == errorfs.OpIsWrite:
		return f.err
	}
	return nil
}

func (f *faulty) String() string { return "faulty" }

// workload returns the first error, and how many batches a Flush has confirmed.
func workload(fs vfs.FS, h *history) (flushed int, err error) {
	s, err := Open(Config{FS: fs, Dir: "db", Memory: testMemory})
	if err != nil {
		return 0, err
	}
	defer func() {
		if cerr := s.Close(); err == nil {
			err = cerr
		}
	}()
	for i := range 60 {
		if err := s.Apply(h.next()); err != nil {
			return flushed, err
		}
		if i%20 == 19 {
			if err := s.Flush(); err != nil {
				return flushed, err
			}
			flushed = len(h.writes)
			if err := h.compare(s, flushed); err != nil {
				return flushed, err
			}
		}
	}
	return flushed, s.Err()
}

// TestEveryFaultSurfaces fails each operation of a workload in turn, once and
// for good: somebody is told, with an error of ours, and the directory opens
// again with everything that was flushed.
func TestEveryFaultSurfaces(t *testing.T) {
	for _, forGood := range []bool{false, true} {
		struck, quiet := 0, 0
		for at := int64(1); ; at++ {
			mem := vfs.NewCrashableMem()
			f := &faulty{forGood: forGood, err: syscall.EIO}
			f.at.Store(at)
			h := &history{random: rand.New(rand.NewPCG(1, 1))}
			flushed, err := workload(errorfs.Wrap(mem, f), h)
			if !f.struck.Load() {
				if err != nil {
					t.Fatalf("without a fault: %v", err)
				}
				break
			}
			struck++
			switch {
			case err == nil && errorfs.OpKind(f.kind.Load()).ReadOrWrite() == errorfs.OpIsRead:
				// Pebble gathers statistics in the background and reads again
				// what it could not read; workload checks every row it reads.
				quiet++
			case err == nil:
				t.Errorf("fault %d (kind %d on %s) reached nobody", at, f.kind.Load(), *f.path.Load())
			case !errors.Is(err, ErrFailed) && !errors.Is(err, ErrCorrupt):
				t.Errorf("fault %d ended as %v, which is no error of this package", at, err)
			case errorfs.OpKind(f.kind.Load()).ReadOrWrite() == errorfs.OpIsWrite && !errors.Is(err, f.err):
				t.Errorf("fault %d (kind %d on %s) ended as %v, which hides its cause", at, f.kind.Load(), *f.path.Load(), err)
			}
			s, err := Open(Config{FS: mem.CrashClone(vfs.CrashCloneCfg{}), Dir: "db", Memory: testMemory})
			if err != nil {
				t.Fatalf("after fault %d (kind %d on %s): %v", at, f.kind.Load(), *f.path.Load(), err)
			}
			if n := h.prefix(t, s); n < flushed {
				t.Errorf("after fault %d: batch %d was flushed; only %d are there", at, flushed, n)
			}
			closed(t, s)
		}
		t.Logf("for good %v: %d faults injected, %d surfaced, %d were reads that Pebble repeated", forGood, struck, struck-quiet, quiet)
		if struck < 50 {
			t.Errorf("only %d operations: the workload does not reach the disk", struck)
		}
	}
}

// TestFailedStore says what a store does once its disk is full: Done tells,
// reads go on, changes are refused, and neither a writer nor Close hangs.
func TestFailedStore(t *testing.T) {
	full := &faulty{forGood: true, err: syscall.ENOSPC}
	full.at.Store(1 << 40)
	mem := vfs.NewCrashableMem()
	s := open(t, errorfs.Wrap(mem, full))
	apply(t, s, put("a", "1"))
	snap := s.Snapshot()
	full.at.Store(0)
	h := &history{random: rand.New(rand.NewPCG(1, 1))}
	var err error
	for range 100_000 { // far more than memory: a writer is held back, then freed
		if err = s.Apply(h.next()); err != nil {
			break
		}
	}
	if !errors.Is(err, ErrFailed) || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("Apply on a full disk: %v", err)
	}
	select {
	case <-s.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("Done is not closed")
	}
	if err := s.Flush(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Flush: %v", err)
	}
	if err := s.Checkpoint("copy"); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Checkpoint: %v", err)
	}
	if v, ok, err := snap.Get([]byte("a")); string(v) != "1" || !ok || err != nil {
		t.Errorf("a read of a failed store: %q, %v, %v", v, ok, err)
	}
	if err := s.Close(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Close: %v", err)
	}
	if err := s.Close(); !errors.Is(err, ErrClosed) {
		t.Errorf("Close again: %v", err)
	}
	closed(t, open(t, mem)) // in the same process, once there is room
}

// TestFailedTurnHidesNothing: rows that could not be written to tables stay
// readable, whoever waited for them to be written, and nothing follows them.
func TestFailedTurnHidesNothing(t *testing.T) {
	full := &faulty{forGood: true, err: syscall.ENOSPC}
	full.at.Store(1 << 40)
	s := open(t, errorfs.Wrap(vfs.NewMem(), full))
	apply(t, s, put("a", "1"))
	full.at.Store(0)
	if err := s.Flush(); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("Flush on a full disk: %v", err)
	}
	<-s.turning
	// Who has waited in turn may hear of the tables before it hears of the failure.
	for range 20 {
		if _, err := s.turn(); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("the next delta was given away: %v", err)
		}
	}
	if v, ok, err := s.Rows().Get([]byte("a")); string(v) != "1" || !ok || err != nil {
		t.Errorf("a row whose table failed reads %q, %v, %v (L12)", v, ok, err)
	}
	if err := s.Close(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Close: %v", err)
	}
}

// TestPebbleComplains: whatever Pebble reports by itself ends the store, and
// not the process.
func TestPebbleComplains(t *testing.T) {
	for name, complain := range map[string]func(*pebble.Options){
		"background": func(o *pebble.Options) { o.EventListener.BackgroundError(syscall.EIO) },
		"damage": func(o *pebble.Options) {
			o.EventListener.DataCorruption(pebble.DataCorruptionInfo{Path: "db/1.sst", Details: syscall.EIO})
		},
		"fatal": func(o *pebble.Options) { o.Logger.Fatalf("manifest: %s", "gone") },
	} {
		s := open(t, vfs.NewMem())
		apply(t, s, put("a", "1"))
		complain(s.opts)
		select {
		case <-s.Done():
		default:
			t.Errorf("%s: Done is not closed", name)
		}
		if err := s.Apply(nil); !errors.Is(err, ErrFailed) || !errors.Is(err, s.Err()) {
			t.Errorf("%s: Apply answers %v", name, err)
		}
		if err := s.Close(); err == nil {
			t.Errorf("%s: Close answers nil", name)
		}
	}
}

// slow stops every new table until it is let go.
type slow struct{ gate chan struct{} }

func (s slow) MaybeError(op errorfs.Op) error {
	if op.Kind == errorfs.OpCreate && strings.Contains(op.Path, freshPrefix) {
		<-s.gate
	}
	return nil
}

func (slow) String() string { return "slow" }

// TestSlowDisk writes four times the budget while the disk takes nothing: the
// writer is held back within the budget (L10), and goes on when the disk does.
func TestSlowDisk(t *testing.T) {
	disk := slow{make(chan struct{})}
	s := open(t, errorfs.Wrap(vfs.NewMem(), disk))
	defer closed(t, s)
	most, wrote := int64(0), make(chan error)
	go func() {
		h := &history{random: rand.New(rand.NewPCG(4, 4))}
		for total := 0; total < 4*testMemory; {
			w := h.next()
			total += weight(w)
			if err := s.Apply(w); err != nil {
				wrote <- err
				return
			}
			most = max(most, s.Metrics().DeltaBytes)
		}
		wrote <- nil
	}()
	for s.Metrics().DeltaBytes < 2*s.limit {
		runtime.Gosched()
	}
	close(disk.gate)
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
	if most > testMemory {
		t.Errorf("%d bytes waited for the disk; the budget is %d (L10)", most, testMemory)
	}
	if s.Metrics().Waited <= 0 {
		t.Error("the writer was held back, and no wait was counted")
	}
}

// TestOpeningWithWorkLeftOver: a store is closed with so many layers of tables
// that writers wait. Opened again it compacts them, and writers go on.
func TestOpeningWithWorkLeftOver(t *testing.T) {
	fs := vfs.NewMem()
	s := open(t, fs)
	s.compactions.opened.Store(false)
	h := &history{random: rand.New(rand.NewPCG(5, 5))}
	for s.db.Metrics().Levels[0].Sublevels < sublevels { // one more, and the writer would wait
		apply(t, s, h.next()...)
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	closed(t, s)
	s = open(t, fs)
	defer closed(t, s)
	late := time.After(10 * time.Second)
	for s.db.Metrics().Levels[0].Sublevels >= sublevels {
		select {
		case <-s.eased:
		case <-late:
			t.Fatal("nothing was compacted after opening: a writer would wait for ever (L10)")
		}
	}
	h.prefix(t, s)
}

// TestReadOnlyMedium opens a store where nothing can be changed, not even a
// lock file.
func TestReadOnlyMedium(t *testing.T) {
	fs, h := filled(t)
	if err := fs.Remove("db/LOCK"); err != nil {
		t.Fatal(err)
	}
	medium := errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpFileClose {
			return syscall.EROFS
		}
		return nil
	}))
	s, err := Open(Config{FS: medium, Dir: "db", Memory: testMemory, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, s)
	h.prefix(t, s)
	if _, err := Open(Config{FS: medium, Dir: "db", Memory: testMemory}); !errors.Is(err, ErrFailed) || !errors.Is(err, syscall.EROFS) {
		t.Errorf("a medium that is read-only, opened to write: %v", err)
	}
}
