package file

import (
	"errors"
	"testing"

	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/journal"
)

// TestLogBehindAHead: a log that begins behind a head takes only what names it, keeps it
// over restarts, and says of what is before it that it was trimmed.
func TestLogBehindAHead(t *testing.T) {
	fs := disk.NewMem()
	after := journal.Head{Index: 41, Hash: journal.Hash{1, 2, 3}, Slot: 41}
	l, err := Open(t.Context(), Config{FS: fs, Dir: "log", After: after})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(t.Context(), journal.Head{}, []byte("first")); !errors.Is(err, journal.ErrLost) {
		t.Errorf("a first record is taken: %v", err)
	}
	if _, err := l.Append(t.Context(), journal.Head{Index: 41}, []byte("another")); !errors.Is(err, journal.ErrLost) {
		t.Errorf("a record that names another head is taken: %v (L2)", err)
	}
	head, err := l.Append(t.Context(), after, []byte("record 42"))
	if err != nil || head.Index != 42 || head.Slot != 42 {
		t.Fatalf("%+v, %v", head, err)
	}
	for i := range 3 {
		var slots []uint64
		for e, err := range l.Read(t.Context(), 42) {
			if err != nil {
				t.Fatal(err)
			}
			slots = append(slots, e.Slot)
		}
		if len(slots) != 1+i || slots[0] != 42 {
			t.Errorf("slots %v, want %d from 42 on", slots, 1+i)
		}
		for _, err := range l.Read(t.Context(), 41) {
			if !errors.Is(err, journal.ErrTrimmed) {
				t.Errorf("what is before its beginning: %v, want trimmed", err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if l, err = Open(t.Context(), Config{FS: fs, Dir: "log"}); err != nil {
			t.Fatal(err)
		}
		if head, err = l.Append(t.Context(), head, []byte("next")); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Config{FS: fs, Dir: "log", After: after}); err == nil {
		t.Error("a log that is there is opened as one that begins behind a head")
	}
}
