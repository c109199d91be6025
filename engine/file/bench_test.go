package file_test

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem/engine/file"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/journal"
)

// BenchmarkAppend compares an append of 100 bytes with the least that any
// durable append must do: write as many bytes at a preallocated place and
// fdatasync. Both alternate in one run, on one disk; x/raw is the ratio of
// their medians. Set TMPDIR to choose the disk.
func BenchmarkAppend(b *testing.B) {
	dir := b.TempDir()
	l, err := file.Open(nil2ctx, file.Config{Dir: dir + "/log"})
	if err != nil {
		b.Fatal(err)
	}
	raw, err := disk.Create(disk.Default, dir+"/raw")
	if err == nil {
		err = disk.Zero(raw, 16<<20)
	}
	if err == nil {
		err = raw.Sync()
	}
	if err != nil {
		b.Fatal(err)
	}
	record, frame := make([]byte, 100), make([]byte, 176)
	for i := range frame {
		frame[i] = byte(i)
	}
	head, offset := journal.Head{}, int64(0)
	var ours, theirs []time.Duration
	b.ReportAllocs()
	for b.Loop() {
		start := time.Now()
		if head, err = l.Append(nil2ctx, head, record); err != nil {
			b.Fatal(err)
		}
		middle := time.Now()
		if _, err = raw.WriteAt(frame, offset); err == nil {
			err = raw.SyncData()
		}
		if err != nil {
			b.Fatal(err)
		}
		ours, theirs = append(ours, middle.Sub(start)), append(theirs, time.Since(middle))
		offset = (offset + int64(len(frame))) % (15 << 20)
	}
	b.ReportMetric(float64(median(ours))/1e3, "append-µs")
	b.ReportMetric(float64(median(theirs))/1e3, "raw-µs")
	b.ReportMetric(float64(median(ours))/float64(median(theirs)), "x/raw")
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	if err := raw.Close(); err != nil {
		b.Fatal(err)
	}
	_ = os.Remove(dir + "/raw")
}

// TestAppendDoesNotAllocate: the frame buffer is reused.
func TestAppendDoesNotAllocate(t *testing.T) {
	l, err := file.Open(nil2ctx, file.Config{Dir: t.TempDir(), SegmentSize: 4 << 20, NoteAfter: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	head, record := journal.Head{}, make([]byte, 100)
	if n := testing.AllocsPerRun(100, func() {
		if head, err = l.Append(nil2ctx, head, record); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations for an append", n)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func median(d []time.Duration) time.Duration {
	s := append([]time.Duration(nil), d...)
	slices.Sort(s)
	return s[len(s)/2]
}
