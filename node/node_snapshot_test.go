package node_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/internal/state"
	"github.com/mainstemdb/mainstem/internal/store"
)

// fill writes some of everything that a state holds.
func (w *world) fill(from, to int) {
	w.t.Helper()
	for i := from; i < to; i++ {
		w.must("g", fmt.Sprint("t", i), put(fmt.Sprint("k", i%7), fmt.Sprint(i)), mainstem.Add{Name: "n", Delta: 1},
			mainstem.Append{Stream: "s", Events: []mainstem.Event{{Type: "e", Data: []byte(fmt.Sprint(i))}}})
	}
}

// whole checks that everything of fill up to n is there, once.
func (w *world) whole(n int) {
	w.t.Helper()
	w.wantValue("g", "n", fmt.Sprint(n))
	v, err := w.db.Group("g").View(w.t.Context(), mainstem.Latest())
	if err != nil {
		w.t.Fatal(err)
	}
	defer v.Close()
	next := 0
	for e, err := range v.Events(w.t.Context(), "s", 0) {
		if err != nil || string(e.Data) != fmt.Sprint(next) {
			w.t.Fatalf("event %d is %q, %v", next, e.Data, err)
		}
		next++
	}
	if next != n {
		w.t.Errorf("%d events, want %d", next, n)
	}
	for i := range n {
		if r := w.must("g", fmt.Sprint("t", i), put("k", "again")); !r.Replayed {
			w.t.Errorf("transaction t%d ran again (L5)", i)
		}
	}
}

// verify replays the log beside the database, and returns what is wrong.
func (w *world) verify() string {
	w.t.Helper()
	found, err := embedded.Verify(w.t.Context(), dir, w.t.TempDir(), func(int, uint64, uint64) {}, w.opts...)
	if err != nil {
		w.t.Fatalf("verify: %v", err)
	}
	var problems []string
	for _, v := range found {
		if v.Problem != "" {
			problems = append(problems, v.Problem)
		}
	}
	return strings.Join(problems, "; ")
}

// TestAStateIsRebuilt from the log alone, and from a snapshot and the log,
// when its directory is gone.
func TestAStateIsRebuilt(t *testing.T) {
	for _, snapshots := range []int{0, 1, 3} {
		t.Run(fmt.Sprint(snapshots), func(t *testing.T) {
			w := start(t)
			w.fill(0, 10)
			for i := range snapshots {
				if err := w.db.Snapshot(t.Context()); err != nil {
					t.Fatal(err)
				}
				w.fill(10+i, 11+i)
			}
			w.close()
			if names, _ := w.faults.List(dir + "/p0000"); snapshots > 0 && count(names, "snapshot-") != min(snapshots, 2) {
				t.Errorf("after %d snapshots there are %q, want the last two", snapshots, names)
			}
			if err := w.faults.RemoveAll(dir + "/p0000/state"); err != nil {
				t.Fatal(err)
			}
			w.open()
			w.whole(10 + snapshots)
			w.close()
			if problem := w.verify(); problem != "" {
				t.Errorf("the rebuilt state: %s", problem)
			}
		})
	}
}

func count(names []string, prefix string) (n int) {
	for _, name := range names {
		if strings.HasPrefix(name, prefix) {
			n++
		}
	}
	return n
}

// large writes more than a segment, and lets it grow older than the retention.
func (w *world) large(id string) {
	w.t.Helper()
	for i := range 5 {
		w.must("big", fmt.Sprint(id, i), put("fill", string(make([]byte, 256<<10))), put("more", string(make([]byte, 200<<10))))
	}
	w.clock.Advance(2 * time.Minute)
}

// TestALogWithoutItsBeginningIsNoWholeOne: state and snapshots gone, and the
// log trimmed. What is left is refused, in words that say so.
func TestALogWithoutItsBeginningIsNoWholeOne(t *testing.T) {
	w := start(t, embedded.Retain(0), embedded.SegmentSize(1<<20))
	w.large("")
	for i := range 2 {
		if err := w.db.Snapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.fill(i, i+1)
	}
	if err := w.db.Trim(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.close()
	names, err := w.faults.List(dir + "/p0000")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if name == "state" || strings.HasPrefix(name, "snapshot-") {
			if err := w.faults.RemoveAll(dir + "/p0000/" + name); err != nil {
				t.Fatal(err)
			}
		}
	}
	err = w.tryOpen()
	if err == nil {
		w.end()
	}
	wantCode(t, "opening the rest", err, mainstem.Corrupt)
}

// TestVerifyFindsAChangedState: one row of the state says something else than
// the log. Serving cannot see it; replaying does, and names the law.
func TestVerifyFindsAChangedState(t *testing.T) {
	w := start(t)
	w.fill(0, 5)
	w.close()
	if problem := w.verify(); problem != "" {
		t.Fatalf("before: %s", problem)
	}
	w.state(func(s *store.Store) {
		for row, err := range s.Rows().Scan([]byte("k"), []byte("l")) {
			if err != nil {
				t.Fatal(err)
			}
			value := append([]byte(nil), row.Value...)
			value[len(value)-1] ^= 1
			if err := s.Apply([]state.Write{{Key: append([]byte(nil), row.Key...), Value: value}}); err != nil {
				t.Fatal(err)
			}
			break
		}
	})
	if problem := w.verify(); !strings.Contains(problem, "(L12)") {
		t.Errorf("a changed row: verify says %q (L12)", problem)
	}
}

// TestAStateAheadOfItsLogIsRefused: the log lost its end, the state did not.
func TestAStateAheadOfItsLogIsRefused(t *testing.T) {
	w := start(t)
	w.fill(0, 5)
	w.close()
	older := w.crash() // on a disk of its own
	older.fill(5, 6)
	older.close()
	// The newer state on the older log.
	if err := w.faults.RemoveAll(dir + "/p0000/state"); err != nil {
		t.Fatal(err)
	}
	fs := older.disk
	if err := disk.CopyBetween(fs, dir+"/p0000/state", w.faults, dir+"/p0000/state"); err != nil {
		t.Fatal(err)
	}
	err := w.tryOpen()
	if err == nil {
		w.end()
	}
	wantCode(t, "opening a state that is ahead of its log", err, mainstem.Corrupt)
}

// TestAStateOfAnotherHistoryIsRefused: two databases went on from the same
// record, each with one of its own. The state of one on the log of the other
// ends in a record of the same index, and is still not its state (L2).
func TestAStateOfAnotherHistoryIsRefused(t *testing.T) {
	w := start(t)
	w.fill(0, 5)
	w.close()
	other := w.crash() // on a disk of its own
	other.must("g", "t5", put("k", "theirs"))
	other.close()
	w.open()
	w.must("g", "t5", put("k", "ours"))
	w.close()
	if err := w.faults.RemoveAll(dir + "/p0000/state"); err != nil {
		t.Fatal(err)
	}
	if err := disk.CopyBetween(other.disk, dir+"/p0000/state", w.faults, dir+"/p0000/state"); err != nil {
		t.Fatal(err)
	}
	err := w.tryOpen()
	if err == nil {
		t.Errorf("k is %q, the log says %q", w.value("g", "k"), "ours")
		w.end()
	}
	wantCode(t, "opening a state of another history (L2)", err, mainstem.Corrupt)
}

// TestAStateIsNeverBehindItsTrimmedLog: the power is cut just after the log was
// trimmed as far as it may be, with changes since the last snapshot. What the
// state had not made durable is still in the log (RELIABILITY 1.10).
func TestAStateIsNeverBehindItsTrimmedLog(t *testing.T) {
	w := start(t, embedded.Retain(0), embedded.SegmentSize(1<<20))
	for i := range 2 {
		w.fill(i, i+1)
		w.large(fmt.Sprint(i))
		if err := w.db.Snapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	w.large("in no snapshot")
	w.fill(2, 3)
	before := len(find(t, w.faults, dir+"/p0000/log", ".log"))
	if err := w.db.Trim(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := len(find(t, w.faults, dir+"/p0000/log", ".log")); after >= before {
		t.Errorf("%d segments before the trim, %d after: it trimmed nothing", before, after)
	}
	cut := w.crash()
	cut.whole(3)
	cut.close()
	w.close()
}

// TestADamagedSnapshotIsNotKept: a table of the state rots, and a snapshot
// would take it along. It is read back before it counts, block by block, and
// refused (L12).
func TestADamagedSnapshotIsNotKept(t *testing.T) {
	w := start(t)
	// In a block of its own: what the snapshot is opened with stays sound.
	w.must("g", "t", put("a", strings.Repeat("x", 200<<10)), put("k", "precious"), put("z", strings.Repeat("x", 200<<10)))
	w.close()
	flipped := false
	for _, path := range find(t, w.faults, dir+"/p0000/state", ".sst") {
		flipped = flip(t, w.faults, path, "precious") || flipped
	}
	if !flipped {
		t.Fatal("the value is in no table of the state")
	}
	w.open()
	wantCode(t, "a snapshot of a damaged state (L12)", w.db.Snapshot(t.Context()), mainstem.Corrupt)
	names, err := w.faults.List(dir + "/p0000")
	if err != nil {
		t.Fatal(err)
	}
	if count(names, "snapshot-") != 0 {
		t.Errorf("a damaged snapshot is kept: %q (L12)", names)
	}
	w.end()
}
