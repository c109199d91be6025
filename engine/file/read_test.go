package file_test

import (
	"testing"
	"time"

	"github.com/mainstemdb/mainstem/engine/file"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/journal"
)

// TestReadersGoOnWhereTheyWere: who reads a log in parts, each by a call of its own, as a
// follower does, reads about what there is, also of segments that were full before the
// log was opened. Each part was looked for from the start of its segment.
func TestReadersGoOnWhereTheyWere(t *testing.T) {
	fs := disk.NewFaults(disk.NewMem())
	c := file.Config{FS: fs, Dir: "log", SegmentSize: 4 << 20, NoteAfter: time.Hour}
	l, err := file.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	var head journal.Head
	for range 1500 { // three segments
		if head, err = l.Append(t.Context(), head, make([]byte, 8<<10)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if l, err = file.Open(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		reads, parts := 0, 0
		fs.Watch(func(e disk.Event) {
			if e.Kind == disk.OpRead {
				reads++
			}
		})
		for slot := uint64(1); slot <= head.Index; slot += 8 {
			parts++
			for e, err := range l.Read(t.Context(), slot) {
				if err != nil || e.Slot != slot {
					t.Fatalf("slot %d begins with %d, %v", slot, e.Slot, err)
				}
				break
			}
		}
		fs.Watch(nil)
		if reads > 2*parts {
			t.Errorf("%d parts of a log took %d reads of its files", parts, reads)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
