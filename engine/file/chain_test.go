package file

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/journal"
)

// chain opens a log with small segments, and without notes.
func chain(t *testing.T, fs disk.FS) (*Log, error) {
	t.Helper()
	return Open(t.Context(), Config{FS: fs, Dir: "log", SegmentSize: minSegment, NoteAfter: time.Hour})
}

// chained is a new log of some records of 800 bytes, 9 in a segment.
func chained(t *testing.T, fs disk.FS, records int) *Log {
	t.Helper()
	l, err := chain(t, fs)
	if err != nil {
		t.Fatal(err)
	}
	for i := range records {
		if _, err := l.Append(t.Context(), l.Tail(), bytes.Repeat([]byte{byte(i)}, 800)); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// forge writes a frame of a segment anew, changed, with checks that are right.
func forge(t *testing.T, s *segment, offset int64, change func(f *frame)) {
	t.Helper()
	b := make([]byte, frameSize(800))
	if _, err := s.file.ReadAt(b, offset); err != nil {
		t.Fatal(err)
	}
	f, size, err := decodeFrame(b, s.mixed, offset)
	if err != nil {
		t.Fatal(err)
	}
	f.payload = bytes.Clone(f.payload)
	change(&f)
	encodeFrame(b[:size], f, s.mixed, offset)
	if _, err := s.file.WriteAt(b[:size], offset); err != nil {
		t.Fatal(err)
	}
}

// entryAt is where the nth entry of a segment of chained stands.
func entryAt(n int) int64 { return dataStart + int64(n*frameSize(800)) }

// stranger changes which entry an entry says it follows.
func stranger(f *frame) { f.hash[0] ^= 1 }

// another makes another record of it.
func another(f *frame) { f.payload[0] ^= 1 }

// wantDamage is an error of the test unless err is damage of that index.
func wantDamage(t *testing.T, err error, index uint64, says string) {
	t.Helper()
	d := (*Damage)(nil)
	if !errors.Is(err, journal.ErrCorrupt) || !errors.As(err, &d) || d.Index != index || !strings.Contains(d.What, says) {
		t.Errorf("%v; want damage of index %d that says %q", err, index, says)
	}
}

// TestOpenChecksTheChain: an entry whose checks are right follows another one
// than stands before it, or stands before one that follows another (L2).
func TestOpenChecksTheChain(t *testing.T) {
	for _, c := range []struct {
		name   string
		forged int // of four entries, from 0
		change func(f *frame)
	}{
		{"the third names another predecessor", 2, stranger},
		{"the second is another one", 1, another},
	} {
		t.Run(c.name, func(t *testing.T) {
			fs := disk.NewMem()
			l := chained(t, fs, 4)
			forge(t, l.segments[0], entryAt(c.forged), c.change)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			l, err := chain(t, fs)
			wantDamage(t, err, 3, "continue the chain")
			if err == nil {
				_ = l.Close() // it should not have opened
			}
		})
	}
}

// TestScrubChecksWhatOpenDoesNotRead: sealed segments are not read when a log
// opens. A scrub finds in them what each frame's own checks cannot tell: an
// entry that follows another, a last entry that is not the sealed one, and a
// footer that has gone since (RELIABILITY 1.8).
func TestScrubChecksWhatOpenDoesNotRead(t *testing.T) {
	fs := disk.NewMem()
	l := chained(t, fs, 40)
	s := l.segments[0]
	last := s.last
	if !s.sealed || last < 5 {
		t.Fatalf("the first segment is sealed: %t, and ends at index %d", s.sealed, last)
	}
	footer := make([]byte, sector)
	if _, err := s.file.ReadAt(footer, s.footerSlot()); err != nil {
		t.Fatal(err)
	}
	overwrite := func(b []byte) {
		t.Helper()
		if _, err := s.file.WriteAt(b, s.footerSlot()); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name     string
		do, undo func()
		index    uint64
		says     string
	}{
		{
			"an entry that follows another",
			func() { forge(t, s, entryAt(3), stranger) },
			func() { forge(t, s, entryAt(3), stranger) },
			4, "continue the chain",
		},
		{
			"another last entry",
			func() { forge(t, s, entryAt(int(last)-1), another) },
			func() { forge(t, s, entryAt(int(last)-1), another) },
			last, "footer",
		},
		{
			"no footer",
			func() { overwrite(make([]byte, sector)) },
			func() { overwrite(footer) },
			last, "footer",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.do()
			wantDamage(t, l.Scrub(t.Context()), c.index, c.says)
			c.undo()
			if err := l.Scrub(t.Context()); err != nil {
				t.Errorf("put right again: %v", err)
			}
		})
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}
