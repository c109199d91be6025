package node_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/internal/state"
	"github.com/mainstemdb/mainstem/internal/store"
)

// find lists the files below a directory whose name ends in suffix.
func find(t *testing.T, fs disk.FS, dir, suffix string) (all []string) {
	t.Helper()
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		path := fs.PathJoin(dir, name)
		info, err := fs.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.IsDir() {
			all = append(all, find(t, fs, path, suffix)...)
		} else if strings.HasSuffix(name, suffix) {
			all = append(all, path)
		}
	}
	return all
}

// flip changes one bit where text stands in a file.
func flip(t *testing.T, fs disk.FS, path, text string) bool {
	t.Helper()
	f, err := disk.OpenReadWrite(fs, path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := disk.ReadAll(f, 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	at := strings.Index(string(all), text)
	if at < 0 {
		return false
	}
	if _, err := f.WriteAt([]byte{text[0] ^ 1}, int64(at)); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	return true
}

// flipLog changes one bit of a value in the log of a partition.
func (w *world) flipLog(partition int, text string) {
	w.t.Helper()
	flipped := false
	for _, path := range find(w.t, w.faults, fmt.Sprintf("%s/p%04d/log", dir, partition), "") {
		flipped = flipped || !strings.HasSuffix(path, "LOCK") && flip(w.t, w.faults, path, text)
	}
	if !flipped {
		w.t.Fatalf("%q is in no file of partition %d", text, partition)
	}
}

// TestDamageStopsOnePartition: a flipped bit in the log of one of three
// partitions. Everything about that one says corrupt, at once, and what to do;
// reads, writes and feeds of the others go on (L12).
func TestDamageStopsOnePartition(t *testing.T) {
	w := start(t, embedded.Partitions(3), embedded.Memory(48<<20))
	groups := []string{groupOf(0, 3), groupOf(1, 3), groupOf(2, 3)}
	for _, g := range groups {
		w.must(g, "t1", put("k", "precious"))
	}
	w.close()
	// Without its state the partition has to read its log from the beginning.
	if err := w.faults.RemoveAll(dir + "/p0001/state"); err != nil {
		t.Fatal(err)
	}
	w.flipLog(1, "precious")
	w.open()
	defer w.end()
	ctx, cancel := context.WithTimeout(t.Context(), never)
	defer cancel()
	for i, g := range groups {
		_, readErr := w.db.Get(ctx, g, "k", mainstem.Latest())
		_, writeErr := w.send(g, "t2", put("k", "more"))
		_, _, feedErr := w.drain(mainstem.From{Match: mainstem.Match{Groups: []string{g}}})
		for what, err := range map[string]error{"read": readErr, "write": writeErr, "feed": feedErr} {
			if i != 1 && err != nil {
				t.Errorf("%s of the sound partition %d: %v (L12)", what, i, err)
			}
			if i == 1 {
				wantCode(t, what+" of the damaged partition", err, mainstem.Corrupt)
			}
			if i == 1 && err != nil && !strings.Contains(err.Error(), "(L12)") {
				t.Errorf("%s of the damaged partition does not say which law: %v", what, err)
			}
		}
	}
	_, _, err := w.drain(mainstem.From{})
	wantCode(t, "the feed of everything", err, mainstem.Corrupt)
	if w.db.Err() != nil {
		t.Errorf("the whole database stopped: %v (L12)", w.db.Err())
	}
}

// TestDamageFoundWhileServing: a bit flips in a record that a follower has to
// read again. It is told, the partition stops, waiting followers wake.
func TestDamageFoundWhileServing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		w.must("g", "t0", put("k", "precious"))
		for i := range 40 { // more than followers are given from memory
			w.must("g", fmt.Sprint("t", i+1), put("fill", strings.Repeat("x", 100<<10)))
		}
		waiting := make(chan error, 1)
		_, head, err := w.drain(mainstem.From{})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for _, err := range w.db.Changes(context.Background(), mainstem.From{After: head}) {
				waiting <- err
				return
			}
		}()
		w.flipLog(0, "precious")
		_, _, err = w.drain(mainstem.From{})
		wantCode(t, "a feed over the damage", err, mainstem.Corrupt)
		wantCode(t, "a feed that waits", <-waiting, mainstem.Corrupt)
		_, err = w.send("g", "late", put("k", "v"))
		wantCode(t, "a write afterwards", err, mainstem.Corrupt)
		w.end()
	})
}

// state changes rows of a partition's stored state behind the database's back.
func (w *world) state(change func(*store.Store)) {
	w.t.Helper()
	s, err := store.Open(store.Config{FS: w.faults, Dir: dir + "/p0000/state", Memory: store.MinMemory})
	if err != nil {
		w.t.Fatal(err)
	}
	change(s)
	if err := s.Flush(); err != nil {
		w.t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		w.t.Fatal(err)
	}
}

// TestDamageFoundByJudgingStopsThePartition: the row of a lease does not parse,
// which shows when a transaction asks for it. It is told, and so is everybody
// after it: going on would judge on a state that is known to be wrong (L12).
func TestDamageFoundByJudgingStopsThePartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, embedded.Partitions(2), embedded.Memory(32<<20))
		g := groupOf(0, 2)
		w.must(g, "grant", mainstem.Acquire{Lease: "l", Owner: "o", TTL: time.Hour})
		w.close()
		w.state(func(s *store.Store) {
			for row, err := range s.Rows().Scan([]byte("l"), []byte("m")) {
				if err != nil {
					t.Fatal(err)
				}
				if err := s.Apply([]state.Write{{Key: append([]byte(nil), row.Key...), Value: []byte{0xff}}}); err != nil {
					t.Fatal(err)
				}
				break
			}
		})
		w.open()
		w.must(g, "before", put("k", "before"))
		_, err := w.send(g, "asks", mainstem.LeaseHeld{Lease: "l", Token: 1}, put("k", "asks"))
		wantCode(t, "a transaction that meets the damage", err, mainstem.Corrupt)
		synctest.Wait()
		w.stopped(g, groupOf(1, 2))
		w.end()
	})
}
