package node_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/state"
	"github.com/mainstemdb/mainstem/internal/store"
)

const replayDir = dir + "/verify"

// beside replays the logs of the database while it serves.
func (w *world) beside(progress func(int, uint64, uint64)) []embedded.Verification {
	w.t.Helper()
	found, err := w.db.Verify(w.t.Context(), replayDir, progress)
	if err != nil {
		w.t.Fatalf("verify: %v", err)
	}
	if names, err := w.faults.List(replayDir); err == nil {
		w.t.Errorf("verifying left %q behind", names)
	}
	return found
}

// cut trims the log, so that a replay has to begin with a snapshot.
func (w *world) cut() {
	w.t.Helper()
	w.large("cut")
	for i := range 2 {
		if err := w.db.Snapshot(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
		w.must("g", fmt.Sprint("cut-", i), put("cut", fmt.Sprint(i)))
	}
	w.large("uncut")
	if err := w.db.Trim(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// TestVerifyBesideWriters: what is written, and snapshots that come and go, while the
// log is replayed are nothing wrong, whether it begins with nothing or with a snapshot.
func TestVerifyBesideWriters(t *testing.T) {
	for _, trimmed := range []bool{false, true} {
		t.Run(fmt.Sprint("trimmed ", trimmed), func(t *testing.T) {
			w := start(t, embedded.Retain(0), embedded.SegmentSize(1<<20))
			w.fill(0, 20)
			if trimmed {
				w.cut()
			}
			n := 0
			found := w.beside(func(_ int, index, last uint64) {
				if index > last {
					t.Errorf("record %d of %d", index, last)
				}
				if n++; n > 200 {
					return // it ends, though each record brings another
				}
				w.must("h", fmt.Sprint("during-", n), put("k", fmt.Sprint(n)))
				if n%50 == 0 {
					if err := w.db.Snapshot(t.Context()); err != nil {
						t.Error(err)
					}
				}
			})
			if len(found) != 1 || found[0].Problem != "" || found[0].Records == 0 {
				t.Errorf("beside writers it found %+v", found)
			}
			w.must("g", "after", put("k", "after"))
			w.close()
		})
	}
}

// TestVerifyStopsWhatIsWrong: a row of the state is not what the log says, with sums
// that are right. A replay beside the serving database tells which range, and stops the
// partition; the other one goes on (L12).
func TestVerifyStopsWhatIsWrong(t *testing.T) {
	w := start(t, embedded.Partitions(2), embedded.Memory(32<<20))
	wrong, sound := groupOf(0, 2), groupOf(1, 2)
	w.must(wrong, "1", put("k", "the balance is 100"))
	w.must(sound, "1", put("k", "v"))
	w.close()
	w.state(func(s *store.Store) {
		for row, err := range s.Rows().Scan([]byte("k"), []byte("l")) {
			if err != nil {
				t.Fatal(err)
			}
			if value := bytes.Replace(row.Value, []byte("is 100"), []byte("is 900"), 1); !bytes.Equal(value, row.Value) {
				if err := s.Apply([]state.Write{{Key: bytes.Clone(row.Key), Value: value}}); err != nil {
					t.Fatal(err)
				}
				return
			}
		}
		t.Fatal("there is no such row")
	})
	w.open()
	if v := w.value(wrong, "k"); v != "the balance is 900" {
		t.Fatalf("the row is %q: nothing notices it but a replay", v)
	}
	found := w.beside(func(int, uint64, uint64) {})
	if len(found) != 2 || !strings.Contains(found[0].Problem, "of the stored state of partition 0 has digest") || found[1].Problem != "" {
		t.Errorf("it found %+v", found)
	}
	w.stopped(wrong, sound)
	w.end()
}

// TestVerifyIsGivenUp: it ends when it is told to, leaves nothing, and says so.
func TestVerifyIsGivenUp(t *testing.T) {
	w := start(t)
	w.fill(0, 20)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := w.db.Verify(ctx, replayDir, func(int, uint64, uint64) { cancel() })
	if err == nil || mainstem.CodeOf(err) == mainstem.Corrupt {
		t.Errorf("given up, it ends with %v", err)
	}
	if names, err := w.faults.List(replayDir); err == nil {
		t.Errorf("it left %q behind", names)
	}
	w.must("g", "after", put("k", "after"))
	w.close()
}
