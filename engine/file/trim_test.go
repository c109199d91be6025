package file_test

import (
	"testing"

	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/journal"
)

// TestTrimKeepsTheNewest: the newest entry stays although it stands in a
// sealed segment, because the append that rolled over then failed.
func TestTrimKeepsTheNewest(t *testing.T) {
	faults := disk.NewFaults(disk.NewMem())
	l := open(t, faults)
	faults.Inject(disk.Fault{Kind: disk.OpWrite, Path: "0000000000000002.log", Err: disk.ErrIO})
	head := journal.Head{}
	for {
		next, err := l.Append(nil2ctx, head, make([]byte, 900))
		if err != nil {
			break // rolled over, and failed there
		}
		head = next
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, faults)
	if err := l.Trim(nil2ctx, head.Slot+10); err != nil {
		t.Fatal(err)
	}
	n := 0
	for e, err := range l.Read(nil2ctx, head.Slot) {
		if err != nil || journal.Sum(e.Record) != head.Hash {
			t.Fatalf("the newest entry after a trim beyond it: %v", err)
		}
		n++
	}
	if n != 1 || l.Tail() != head {
		t.Errorf("read %d entries, tail %v, want the one of %v", n, l.Tail(), head)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// TestReaderOutlivesTrim: a read that is under way keeps the segment it reads
// open, and is then told that the next one was trimmed.
func TestReaderOutlivesTrim(t *testing.T) {
	l := open(t, disk.NewMem())
	var head journal.Head
	for range 60 {
		next, err := l.Append(nil2ctx, head, make([]byte, 800))
		if err != nil {
			t.Fatal(err)
		}
		head = next
	}
	n := 0
	for _, err := range l.Read(nil2ctx, 1) {
		if n++; n == 3 {
			if err := l.Trim(nil2ctx, head.Slot); err != nil {
				t.Fatal(err)
			}
		}
		if err != nil {
			break
		}
	}
	if n < 4 {
		t.Errorf("the read ended after %d entries", n)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}
