package file_test

import (
	"context"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem/engine/file"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/journal"
	"github.com/mainstemdb/mainstem/journal/journaltest"
)

// nil2ctx: these tests bound nothing by a context.
var nil2ctx = context.Background()

var keeps = []float64{0, 0.1, 0.5, 0.9, 1}

func power(t *testing.T, base disk.FS, seed uint64, early float64) *disk.Power {
	t.Helper()
	p, err := disk.NewPower(base, disk.PowerConfig{Seed: seed, Early: early})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestConformanceUnderPowerCuts(t *testing.T) {
	journaltest.Run(t, func(t *testing.T) journaltest.Subject {
		p := power(t, disk.NewMem(), 1, 0.2)
		return journaltest.Subject{
			Log:    open(t, p),
			Reopen: func(t *testing.T) journal.Log { return open(t, p) },
			Crash: func(t *testing.T) journal.Log {
				fs, err := p.Crash(7, 0.5)
				if err != nil {
					t.Fatal(err)
				}
				return open(t, fs)
			},
		}
	})
}

// clone is a disk after a crash, and what must be on it.
type clone struct {
	fs   disk.FS
	must promise
	keep float64
	at   disk.Event
}

// crashes runs a workload of the given steps and copies the disk as a power
// cut would leave it before every file operation.
func crashes(t *testing.T, seed uint64, steps int, tamper func(*disk.Faults)) []clone {
	t.Helper()
	p := power(t, disk.NewMem(), seed, float64(seed%4)*0.15)
	faults := disk.NewFaults(p)
	if tamper != nil {
		tamper(faults)
	}
	w := newWorld(seed, faults)
	clones := []clone{}
	faults.Watch(func(e disk.Event) {
		if e.Kind&(disk.OpRead|disk.OpOpen|disk.OpClose) != 0 {
			return // nothing has changed since the operation before
		}
		keep := keeps[int(e.Number)%len(keeps)]
		fs, err := p.Crash(seed<<32|uint64(e.Number), keep)
		if err != nil {
			t.Error(err)
			return
		}
		clones = append(clones, clone{fs, w.promise(), keep, e})
	})
	for range steps {
		if err := w.step(); err != nil {
			t.Fatalf("seed %d: a step failed without a fault: %v", seed, err)
		}
	}
	faults.Watch(nil)
	if w.log != nil {
		if err := w.close(); err != nil {
			t.Fatal(err)
		}
	}
	return clones
}

// TestCrashAtEveryOperation (RELIABILITY 1.1, 1.3, 1.5, 1.7).
func TestCrashAtEveryOperation(t *testing.T) {
	all := seeds(t, 60)
	points := 0
	for _, seed := range all {
		for _, c := range crashes(t, seed, 40, nil) {
			points++
			if err := c.must.check(c.fs); err != nil {
				t.Fatalf("seed %d, crash before %s of %s (operation %d), %v of the unsynced kept: %v\nreplay with MAINSTEM_SEED=%d",
					seed, c.at.Kind, c.at.Path, c.at.Number, c.keep, err, seed)
			}
		}
	}
	t.Logf("%d of %d seeds run, %d crash points, keeping %v of what was not synced", len(all), len(all), points, keeps)
}

// TestCrashDuringRecovery crashes, and crashes again before every file
// operation of the recovery from that (RELIABILITY 1.7).
func TestCrashDuringRecovery(t *testing.T) {
	all := seeds(t, 12)
	points := 0
	for _, seed := range all {
		for i, c := range crashes(t, seed, 25, nil) {
			if i%3 != int(seed%3) {
				continue
			}
			p := power(t, c.fs, seed, 0.2)
			faults := disk.NewFaults(p)
			again := []disk.FS{}
			faults.Watch(func(e disk.Event) {
				if e.Kind&(disk.OpRead|disk.OpOpen|disk.OpClose) != 0 {
					return
				}
				fs, err := p.Crash(uint64(e.Number)+seed, keeps[(int(e.Number)+i)%len(keeps)])
				if err != nil {
					t.Error(err)
				}
				again = append(again, fs)
			})
			l, err := file.Open(nil2ctx, config(faults))
			if err != nil {
				t.Fatalf("seed %d: open after the first crash: %v", seed, err)
			}
			faults.Watch(nil)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			for _, fs := range again {
				points++
				if err := c.must.check(fs); err != nil {
					t.Fatalf("seed %d, crash before operation %d, then in its recovery: %v\nreplay with MAINSTEM_SEED=%d", seed, c.at.Number, err, seed)
				}
			}
		}
	}
	t.Logf("%d of %d seeds run, %d crashes during recovery", len(all), len(all), points)
}

// TestWithoutSyncDataIsLost proves that the crash tests can fail: on a disk
// that only pretends to sync, they must find acknowledged records gone.
func TestWithoutSyncDataIsLost(t *testing.T) {
	for what, fault := range map[string]disk.Fault{
		"segments are not synced":     {Kind: disk.OpSync, Path: "*.log", Swallow: true, Stays: true},
		"new segments are not synced": {Kind: disk.OpSync, Path: "*.tmp", Swallow: true, Stays: true},
		"the directory is not synced": {Kind: disk.OpSync, Path: "log", Swallow: true, Stays: true},
		"the parent is not synced":    {Kind: disk.OpSync, Path: ".", Swallow: true, Stays: true},
	} {
		lost, points := 0, 0
		for seed := range uint64(8) {
			for _, c := range crashes(t, seed, 25, func(f *disk.Faults) { f.Inject(fault) }) {
				points++
				if c.must.check(c.fs) != nil {
					lost++
				}
			}
		}
		t.Logf("%s: %d of %d crashes break the promise", what, lost, points)
		if lost == 0 {
			t.Errorf("%s: no crash test noticed", what)
		}
	}
}

// TestCrashWithNotes runs the idle notes beside the appends.
func TestCrashWithNotes(t *testing.T) {
	for _, seed := range seeds(t, 10) {
		p := power(t, disk.NewMem(), seed, 0.2)
		w := newWorld(seed, p)
		w.notes = time.Millisecond
		for i := range 60 {
			if err := w.step(); err != nil {
				t.Fatal(err)
			}
			if w.log != nil && i%10 == 0 {
				awaitNote(t, p)
			}
			must := w.promise()
			fs, err := p.Crash(seed+uint64(i), keeps[i%len(keeps)])
			if err != nil {
				t.Fatal(err)
			}
			if err := must.check(fs); err != nil {
				t.Fatalf("seed %d, step %d: %v", seed, i, err)
			}
		}
		if w.log != nil {
			if err := w.close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// awaitNote returns when a durable note of the newest entry is on the disk, or
// the log has no entry to note.
func awaitNote(t *testing.T, p *disk.Power) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		fs, err := p.Crash(0, 0)
		if err != nil {
			t.Fatal(err)
		}
		newest := uint64(0)
		for f, err := range file.Inspect(fs, "log") {
			if err != nil {
				continue
			}
			if f.Kind == file.KindEntry {
				newest = f.Index
			} else if f.Index >= newest {
				return
			}
		}
		if newest == 0 {
			return
		}
		select {
		case <-deadline:
			t.Fatal("no note within 10 s")
		default:
		}
	}
}
