package node_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/disk"
)

// TestTrimmingKeepsWhatIsNeeded: snapshots, trims and restarts in turn, with
// segments enough that files go. Everything is there, and can be verified.
func TestTrimmingKeepsWhatIsNeeded(t *testing.T) {
	w := start(t, embedded.Retain(time.Minute), embedded.SegmentSize(1<<20))
	w.fill(0, 5)
	filled := 5
	for round := range 2 {
		w.large(fmt.Sprint(round, "-before-"))
		w.fill(filled, filled+5)
		filled += 5
		for range 2 {
			if err := w.db.Snapshot(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.fill(filled, filled+1)
			filled++
		}
		// Old enough to go, but in no snapshot.
		w.large(fmt.Sprint(round, "-after-"))
		before := len(find(t, w.faults, dir+"/p0000/log", ".log"))
		if err := w.db.Trim(t.Context()); err != nil {
			t.Fatal(err)
		}
		if after := len(find(t, w.faults, dir+"/p0000/log", ".log")); after >= before || before == 0 {
			t.Errorf("round %d: %d segments before the trim, %d after", round, before, after)
		}
		w.close()
		w.open()
	}
	w.whole(filled)
	w.close()
	if problem := w.verify(); problem != "" {
		t.Errorf("after trimming: %s", problem)
	}
	// Without its state, the snapshots and what is left of the log suffice.
	if err := w.faults.RemoveAll(dir + "/p0000/state"); err != nil {
		t.Fatal(err)
	}
	w.open()
	w.whole(filled)
	w.close()
}

// TestAStateBehindItsLogStopsOnePartition: an old copy of a state, put back
// after the log was trimmed past it. Its partition is refused with what to do;
// the others serve (L12).
func TestAStateBehindItsLogStopsOnePartition(t *testing.T) {
	w := start(t, embedded.Retain(0), embedded.SegmentSize(1<<20), embedded.Partitions(2))
	sick, well := groupOf(0, 2), groupOf(1, 2)
	w.must(sick, "first", put("k", "old"))
	w.must(well, "first", put("k", "v"))
	w.close()
	if err := disk.CopyDir(w.faults, dir+"/p0000/state", "kept"); err != nil {
		t.Fatal(err)
	}
	w.open()
	for round := range 3 {
		for i := range 8 {
			w.must(sick, fmt.Sprint(round, i), put("fill", string(make([]byte, 200<<10))))
		}
		w.clock.Advance(time.Hour)
		if err := errors.Join(w.db.Snapshot(t.Context()), w.db.Trim(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	w.close()
	if err := errors.Join(w.faults.RemoveAll(dir+"/p0000/state"), disk.CopyDir(w.faults, "kept", dir+"/p0000/state")); err != nil {
		t.Fatal(err)
	}
	w.open()
	_, err := w.db.Get(t.Context(), sick, "k", mainstem.Latest())
	wantCode(t, "the partition with the old state", err, mainstem.Corrupt)
	if err != nil && !strings.Contains(err.Error(), "aside and open again") {
		t.Errorf("%v does not say what to do", err)
	}
	w.wantValue(well, "k", "v")
	w.end()
	// What the message says to do helps.
	if err := w.faults.RemoveAll(dir + "/p0000/state"); err != nil {
		t.Fatal(err)
	}
	w.open()
	w.wantValue(sick, "k", "old")
	w.close()
}

// TestTheLogIsTrimmedByItsAge: a service that writes little, and restarts every
// day, never writes a gigabyte in one life. Its log is trimmed all the same
// (L10).
func TestTheLogIsTrimmedByItsAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, embedded.Retain(2*24*time.Hour), embedded.SegmentSize(256<<10))
		oldest := func() mainstem.Position {
			for batch, err := range w.db.Changes(t.Context(), mainstem.From{Drain: true}) {
				if err != nil {
					t.Fatal(err)
				}
				if len(batch.Changes) > 0 {
					return batch.Changes[0].Position
				}
			}
			return 0
		}
		for day := range 8 {
			if first := oldest(); day == 2 && first != 1 {
				t.Errorf("after two days the log begins at %s; two days are retained", first)
			}
			time.Sleep(time.Minute) // a checkpoint may be due
			for i := range 3 {
				w.must("g", fmt.Sprint(day, i), put("k", string(make([]byte, 100<<10))))
			}
			synctest.Wait()
			w.clock.Advance(24 * time.Hour)
			w.close()
			w.open()
		}
		if first := oldest(); first <= 3 {
			t.Errorf("after eight days the log still begins at %s; two days are retained", first)
		}
		w.close()
	})
}
