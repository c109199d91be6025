package file_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem/engine/file"
	"github.com/mainstemdb/mainstem/internal/disk"
)

// ahead is a workload on segments that are made ahead: records of 100 KiB on
// segments of 1 MiB.
func (w *world) ahead(records int) (err error) {
	c := config(w.fs)
	c.SegmentSize = 1 << 20
	if w.log, err = file.Open(nil2ctx, c); err != nil {
		return err
	}
	for range records {
		record := make([]byte, 100<<10)
		record[0] = byte(w.rng.Uint32())
		if err := w.appendRecord(record); err != nil {
			return err
		}
	}
	return nil
}

// TestSegmentsAreMadeAhead: a roll-over finds its file made, and Close leaves
// none behind.
func TestSegmentsAreMadeAhead(t *testing.T) {
	var mu sync.Mutex
	renamed, late := 0, map[string]bool{}
	const pieces = 4 // of a segment
	synced, made := 0, make(chan struct{})
	faults := disk.NewFaults(disk.NewMem())
	faults.Watch(func(e disk.Event) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case e.Kind == disk.OpRename && strings.HasSuffix(e.Path, ".log"):
			renamed++
		case e.Kind == disk.OpCreate && strings.HasSuffix(e.Path, ".log.tmp"):
			late[e.Path] = true
		case e.Kind == disk.OpSync && strings.HasSuffix(e.Path, "spare.tmp"):
			if synced++; synced == 5*pieces+4 { // and each is synced once more when it becomes a segment
				close(made)
			}
		}
	})
	w := newWorld(1, faults)
	if err := w.ahead(48); err != nil {
		t.Fatal(err)
	}
	select {
	case <-made: // the last of them is begun, and has its last piece
	case <-time.After(10 * time.Second):
		t.Fatal("the segment after the last is not made ahead")
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	if renamed < 5 || len(late) != 1 {
		t.Errorf("of %d segments %v were made when they were needed; only the first may be", renamed, late)
	}
	names, err := faults.List("log")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, disk.TempSuffix) {
			t.Errorf("Close left %s behind", name)
		}
	}
}

// TestCrashWhileMakingAhead cuts the power before operations of all kinds while
// segments are made ahead: what was acknowledged is there.
func TestCrashWhileMakingAhead(t *testing.T) {
	points := 0
	for _, seed := range seeds(t, 6) {
		p := power(t, disk.NewMem(), seed, 0.2)
		faults := disk.NewFaults(p)
		w := newWorld(seed, faults)
		var mu sync.Mutex
		var clones []clone
		faults.Watch(func(e disk.Event) {
			if e.Kind&(disk.OpRead|disk.OpOpen|disk.OpClose) != 0 || e.Number%3 != int64(seed%3) {
				return
			}
			// What was promised comes first: an append may end meanwhile.
			must, keep := w.promise(), keeps[int(e.Number)%len(keeps)]
			fs, err := p.Crash(seed<<32|uint64(e.Number), keep)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			clones = append(clones, clone{fs, must, keep, e})
		})
		if err := w.ahead(25); err != nil {
			t.Fatal(err)
		}
		if err := w.close(); err != nil {
			t.Fatal(err)
		}
		for _, c := range clones {
			points++
			l, err := file.Open(nil2ctx, config(c.fs))
			if err != nil {
				t.Fatalf("seed %d, crash before %s of %s: %v", seed, c.at.Kind, c.at.Path, err)
			}
			if tail := l.Tail().Index; tail < uint64(len(c.must.acked)) {
				t.Errorf("seed %d, crash before %s of %s: %d records are left of %d acknowledged (L4)", seed, c.at.Kind, c.at.Path, tail, len(c.must.acked))
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d crash points", points)
}

// TestFaultsOfTheSpare: a file that cannot be made ahead harms nobody; its
// segment is made when it is needed.
func TestFaultsOfTheSpare(t *testing.T) {
	for _, fault := range []error{disk.ErrIO, disk.ErrFull} {
		for _, kind := range []disk.Op{disk.OpCreate, disk.OpWrite, disk.OpSync} {
			faults := disk.NewFaults(disk.NewMem())
			faults.Inject(disk.Fault{Err: fault, Path: "spare.tmp", Kind: kind})
			w := newWorld(1, faults)
			err := w.ahead(25)
			if err == nil {
				err = w.close()
			}
			if err != nil {
				t.Errorf("%v in %s of the spare: %v", fault, kind, err)
			}
			if faults.Injected() != 1 {
				t.Errorf("%v in %s of the spare: injected %d times", fault, kind, faults.Injected())
			}
			if err := w.promise().check(faults); err != nil {
				t.Error(err)
			}
		}
	}
}
