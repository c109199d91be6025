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
	"github.com/mainstemdb/mainstem/engine/file"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/internal/state"
	"github.com/mainstemdb/mainstem/internal/store"
	"github.com/mainstemdb/mainstem/journal"
	"github.com/mainstemdb/mainstem/node"
)

// verification is what replaying the log of the first partition finds.
func (w *world) verification() embedded.Verification {
	w.t.Helper()
	found, err := embedded.Verify(w.t.Context(), dir, w.t.TempDir(), func(int, uint64, uint64) {}, w.opts...)
	if err != nil {
		w.t.Fatalf("verify: %v", err)
	}
	return found[0]
}

// checkpoint writes a checkpoint record, and lets the sweep after it end. Only
// in a bubble.
func (w *world) checkpoint() {
	w.t.Helper()
	if err := w.db.Backend().(*node.Node).Checkpoint(w.t.Context()); err != nil {
		w.t.Fatalf("checkpoint: %v", err)
	}
	synctest.Wait()
}

// rewrite writes the log of a closed database anew, with its records changed:
// every sum and the whole chain are right.
func (w *world) rewrite(change func(*record.Record)) {
	w.t.Helper()
	open := func(dir string) *file.Log {
		l, err := file.Open(context.Background(), file.Config{FS: w.faults, Dir: dir})
		if err != nil {
			w.t.Fatal(err)
		}
		return l
	}
	const place, changed = dir + "/p0000/log", dir + "/p0000/changed"
	from, to, head := open(place), open(changed), journal.Head{}
	for entry, err := range from.Read(context.Background(), 1) {
		if err != nil {
			w.t.Fatal(err)
		}
		r, err := record.Decode(entry.Record)
		if err != nil {
			w.t.Fatal(err)
		}
		r.PrevHash = head.Hash
		change(r)
		bytes, err := record.Encode(nil, r)
		if err != nil {
			w.t.Fatal(err)
		}
		if head, err = to.Append(context.Background(), head, bytes); err != nil {
			w.t.Fatal(err)
		}
	}
	for _, step := range []func() error{
		from.Close, to.Close,
		func() error { return w.faults.RemoveAll(place) },
		func() error { return w.faults.Rename(changed, place) },
	} {
		if err := step(); err != nil {
			w.t.Fatal(err)
		}
	}
}

// TestDigestsAreRecordedAsTheLogGrows: whenever the log has grown by 64 KiB, and
// at most every 5 s, a checkpoint settles the digest that the one before it
// asked for, by itself; a replay compares each of them (L12).
func TestDigestsAreRecordedAsTheLogGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		const checkpoints = 5
		for i := range checkpoints {
			w.must("g", fmt.Sprint("t", i), put("k", strings.Repeat("x", 70<<10)))
			time.Sleep(6 * time.Second)
		}
		w.close()
		// The first one has nothing to settle.
		if v := w.verification(); v.Digests != checkpoints-1 || v.Problem != "" {
			t.Errorf("%d times 70 KiB, 6 s apart: %d digests were compared, want %d; %q (L12)", checkpoints, v.Digests, checkpoints-1, v.Problem)
		}
	})
}

// TestVerifyComparesRecordedDigests: one recorded digest is not that of the
// replayed state. Every sum, the chain, and the stored state agree with the
// log, and still it is told, with the record and the range (L12).
func TestVerifyComparesRecordedDigests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		w.must(groupOf(1, state.Ranges), "t", put("k", "v"))
		w.checkpoint() // asks for range 1
		w.checkpoint() // settles it
		w.close()
		if v := w.verification(); v.Digests != 1 || v.Problem != "" {
			t.Fatalf("%d digests compared, want 1; %q", v.Digests, v.Problem)
		}
		var settled uint64
		w.rewrite(func(r *record.Record) {
			if r.Checkpoint != nil && r.Checkpoint.Settled != 0 {
				r.Checkpoint.Digest[0] ^= 1
				settled = r.Checkpoint.Settled
			}
		})
		if err := w.faults.RemoveAll(dir + "/p0000/state"); err != nil {
			t.Fatal(err)
		}
		w.open() // builds the state anew from the changed log
		w.close()
		v := w.verification()
		if want := fmt.Sprintf("after record %d the range 1 of the state had digest", settled); !strings.Contains(v.Problem, want) || !strings.Contains(v.Problem, "(L12)") {
			t.Errorf("a record with another digest: verify says %q, want %q (L12)", v.Problem, want)
		}
	})
}

// TestDamageFoundByTheSweepStopsThePartition: a row that nobody asks for does
// not parse. The sweep of its range finds it, and the partition stops; the
// other one goes on (L12).
func TestDamageFoundByTheSweepStopsThePartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, embedded.Partitions(2), embedded.Memory(32<<20))
		w.must(groupOf(1, state.Ranges), "t", put("k", "v"))
		w.close()
		w.state(func(s *store.Store) {
			for row, err := range s.Rows().Scan([]byte("k"), []byte("l")) {
				if err != nil {
					t.Fatal(err)
				}
				// In the same slot, with neither a group nor a name.
				key := append(append([]byte(nil), row.Key[:3]...), "neither"...)
				if err := s.Apply([]state.Write{{Key: append(key, row.Key[len(row.Key)-8:]...), Value: []byte{1}}}); err != nil {
					t.Fatal(err)
				}
				break
			}
		})
		w.open()
		w.must(groupOf(2, state.Ranges), "before", put("k", "v"))
		w.checkpoint() // asks for range 1
		w.stopped(groupOf(2, state.Ranges), groupOf(1, 2))
		w.end()
	})
}

// stopped checks that one group's partition has stopped for damage, and another
// one's goes on (L12).
func (w *world) stopped(damaged, sound string) {
	w.t.Helper()
	_, err := w.send(damaged, "after", put("k", "after"))
	wantCode(w.t, "a write to the damaged partition (L12)", err, mainstem.Corrupt)
	_, err = w.db.Get(w.t.Context(), damaged, "k", mainstem.Latest())
	wantCode(w.t, "a read of the damaged partition (L12)", err, mainstem.Corrupt)
	w.must(sound, "after", put("k", "after"))
	if w.db.Err() != nil {
		w.t.Errorf("the whole database stopped: %v (L12)", w.db.Err())
	}
}
