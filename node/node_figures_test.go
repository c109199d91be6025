package node_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/disk"
)

// TestFigures: what is done is counted, in the partition where it was done.
func TestFigures(t *testing.T) {
	w := start(t, embedded.Partitions(2), embedded.Memory(32<<20))
	const commits = 5
	for i := range commits {
		w.must(groupOf(1, 2), fmt.Sprint("t", i), put("k", "v"))
	}
	f := w.db.Figures()
	if f.Err != nil || len(f.Partitions) != 2 {
		t.Fatalf("figures %+v", f)
	}
	if other := f.Partitions[0]; other.Position != 0 || other.Batches.Count() != 0 || other.Down != 0 {
		t.Errorf("partition 0 did nothing and says %+v", other)
	}
	p := f.Partitions[1]
	if p.Partition != 1 || p.Position != commits || p.IDs != commits || p.Age <= 0 {
		t.Errorf("position %s, %d IDs, age %s", p.Position, p.IDs, p.Age)
	}
	if p.Batches.Sum != commits || p.Batches.Count() != commits || p.Appends.Count() != commits || p.Bytes.Sum <= 0 {
		t.Errorf("%d transactions in %d records, %d appends of %d bytes", p.Batches.Sum, p.Batches.Count(), p.Appends.Count(), p.Bytes.Sum)
	}
	if p.Log.Syncs.Count() != commits+1 || p.Log.Files < 1 || p.Log.Bytes < 1 { // and the first record
		t.Errorf("the log counts %d syncs, %d files of %d bytes", p.Log.Syncs.Count(), p.Log.Files, p.Log.Bytes)
	}
	if p.Feed.Used <= 0 || p.State.Used <= 0 || p.Waiting != 0 || p.Queue.Used != 0 || p.Store.ReadAmplification < 0 {
		t.Errorf("feed %+v, state %+v, queue %+v", p.Feed, p.State, p.Queue)
	}
	for name, s := range map[string]struct{ used, limit int64 }{"feed": {p.Feed.Used, p.Feed.Limit}, "state": {p.State.Used, p.State.Limit}} {
		if s.used > s.limit {
			t.Errorf("%s uses %d of %d", name, s.used, s.limit)
		}
	}
	w.close()
	if after := w.db.Figures(); after.Partitions[1].Down != mainstem.Stopped || after.Partitions[1].Position != commits {
		t.Errorf("after Close %+v", after.Partitions[1])
	}
}

// TestFiguresOfAFullQueue: while a sync hangs, the append under way and what waits
// behind it are seen.
func TestFiguresOfAFullQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		release := w.hang()
		var answers []<-chan answer
		for i := range 3 {
			answers = append(answers, w.later("g", fmt.Sprint("t", i), put("k", "v")))
			synctest.Wait() // the first flies, the second is judged on top of it
		}
		time.Sleep(3 * time.Second)
		if p := w.db.Figures().Partitions[0]; p.Flying != 3*time.Second || p.Appends.Count() != 0 {
			t.Errorf("an append flies for %s, and %d have landed", p.Flying, p.Appends.Count())
		}
		release()
		for _, c := range answers {
			if a := <-c; a.err != nil {
				t.Error(a.err)
			}
		}
		synctest.Wait()
		p := w.db.Figures().Partitions[0]
		if p.Flying != 0 || p.Appends.Sum < int64(3*time.Second) || p.Log.Syncs.Sum < int64(3*time.Second) {
			t.Errorf("after that one flies for %s; appends took %s, syncs %s", p.Flying, time.Duration(p.Appends.Sum), time.Duration(p.Log.Syncs.Sum))
		}
		w.close()
	})
}

// TestFiguresOfFailure: an append whose outcome is unknown is counted, and why the
// database stopped is told.
func TestFiguresOfFailure(t *testing.T) {
	w := start(t)
	w.must("g", "t1", put("k", "v"))
	w.faults.Inject(disk.Fault{Kind: disk.OpSync, Err: disk.ErrIO, Stays: true})
	_, err := w.send("g", "t2", put("k", "w"))
	wantCode(t, "a commit whose sync failed", err, mainstem.Undecided)
	<-w.db.Done()
	f := w.db.Figures()
	if p := f.Partitions[0]; f.Err == nil || p.Unknown != 1 || p.Failed+p.Lost != 0 || p.Down != mainstem.Stopped {
		t.Errorf("stopped by %v; %d unknown, %d failed, %d lost, down as %s", f.Err, p.Unknown, p.Failed, p.Lost, p.Down)
	}
	w.end()
}

// TestFiguresOfAFullDisk: an append that found no room is counted as failed, and
// the database goes on.
func TestFiguresOfAFullDisk(t *testing.T) {
	w := start(t, embedded.SegmentSize(16<<10))
	w.faults.Inject(disk.Fault{Kind: disk.OpCreate | disk.OpWrite, Path: "*.tmp", Err: disk.ErrFull, Stays: true})
	for i := 0; ; i++ {
		if _, err := w.send("g", fmt.Sprint("t", i), put("k", string(make([]byte, 4<<10)))); err != nil {
			wantCode(t, "a commit on a full disk", err, mainstem.Unavailable)
			break
		}
	}
	if f := w.db.Figures(); f.Partitions[0].Failed != 1 || f.Err != nil {
		t.Errorf("%d appends failed; %v", f.Partitions[0].Failed, f.Err)
	}
	w.faults.Heal()
	w.end()
}
