package backup

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mainstemdb/mainstem/blob"
	"github.com/mainstemdb/mainstem/blob/dir"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/journal"
)

// chain is records that name each other, and whose slots run ahead of their indexes.
func chain(t *testing.T, n, size int) []journal.Entry {
	t.Helper()
	var all []journal.Entry
	prev := journal.Hash{}
	for i := range n {
		r := &record.Record{Header: record.Header{Version: record.First, Index: uint64(i + 1), PrevHash: prev, Database: database, Incarnation: 7, First: 1, Node: strings.Repeat(fmt.Sprint(i), size)}}
		b, err := record.Encode(nil, r)
		if err != nil {
			t.Fatal(err)
		}
		prev = journal.Sum(b)
		all = append(all, journal.Entry{Slot: uint64(i + 10), Record: b})
	}
	return all
}

func archive(t *testing.T, s blob.Store) *Archive {
	t.Helper()
	a, bad, err := OpenArchive(t.Context(), s, database, 0, 7)
	if err != nil || len(bad) > 0 {
		t.Fatalf("%v, %v", err, bad)
	}
	return a
}

func add(t *testing.T, a *Archive, entries ...journal.Entry) {
	t.Helper()
	for _, e := range entries {
		if err := a.Add(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// archived reads all of an archive from a head on.
func archived(t *testing.T, s blob.Store, after journal.Head) (all []journal.Entry, err error) {
	t.Helper()
	err = Records(t.Context(), s, database, 0, 7, after, func(r Stored) error {
		all = append(all, journal.Entry{Slot: r.Head.Slot, Record: r.Bytes})
		return nil
	})
	return all, err
}

func equal(a, b []journal.Entry) bool {
	return slices.EqualFunc(a, b, func(x, y journal.Entry) bool { return x.Slot == y.Slot && bytes.Equal(x.Record, y.Record) })
}

// TestArchiveGoesOn: interrupted after any number of records, by a process that ends or by
// a store that refuses, the archive goes on exactly where it was: every record once, byte
// for byte, with its slot.
func TestArchiveGoesOn(t *testing.T) {
	all := chain(t, 20, 1000)
	for n := range all {
		s := dir.OnDisk(disk.NewMem(), "blobs")
		a := archive(t, s)
		add(t, a, all[:n]...)
		for _, e := range all[n:min(n+3, len(all))] { // added and never flushed
			if err := a.Add(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
		again := archive(t, s)
		if got := again.Head().Index; got != uint64(n) {
			t.Fatalf("after %d records it goes on behind record %d", n, got)
		}
		refusing := &counting{Store: s, refuse: 1}
		again.store = refusing
		add(t, again, all[n])
		if n+1 < len(all) {
			if err := again.Add(t.Context(), all[n+1]); err != nil {
				t.Fatal(err)
			}
			if err := again.Flush(t.Context()); !errors.Is(err, errRefused) || again.Kept().Index != uint64(n+1) {
				t.Errorf("the store refused: %v, and record %d is said to be kept", err, again.Kept().Index)
			}
		}
		third := archive(t, s)
		add(t, third, all[n+1:]...)
		if got, err := archived(t, s, journal.Head{}); err != nil || !equal(got, all) {
			t.Errorf("interrupted after %d records: %d of %d are there, %v", n, len(got), len(all), err)
		}
		if names, err := s.List(t.Context(), ""); err != nil || len(names) != 1 {
			t.Errorf("a small archive has %d segments, %v", len(names), err)
		}
	}
}

// TestArchiveRollsOver: segments do not grow beyond a record more than their limit.
func TestArchiveRollsOver(t *testing.T) {
	s := dir.OnDisk(disk.NewMem(), "blobs")
	all := chain(t, 12, 1<<20)
	a := archive(t, s)
	for _, e := range all {
		add(t, a, e)
		a = archive(t, s)
	}
	names, err := s.List(t.Context(), "")
	if err != nil || len(names) < 3 {
		t.Errorf("%d segments, %v", len(names), err)
	}
	if got, err := archived(t, s, journal.Head{}); err != nil || !equal(got, all) {
		t.Errorf("%d of %d records, %v", len(got), len(all), err)
	}
	head := journal.Head{Index: 5, Hash: journal.Sum(all[4].Record)}
	if got, err := archived(t, s, head); err != nil || !equal(got, all[5:]) {
		t.Errorf("after record 5: %d records, %v", len(got), err)
	}
	head.Hash[0]++
	if _, err := archived(t, s, head); !errors.Is(err, blob.ErrCorrupt) {
		t.Errorf("after a record 5 that is another: %v (L2)", err)
	}
}

// TestTwoArchive: a node that no longer writes goes on for a while. Nothing of what the
// other one has archived is lost.
func TestTwoArchive(t *testing.T) {
	s := dir.OnDisk(disk.NewMem(), "blobs")
	all := chain(t, 30, 400<<10)
	old := archive(t, s)
	add(t, old, all[:5]...)
	young := archive(t, s)
	for i := 5; i < 28; i++ {
		add(t, young, all[i])
		if i%3 == 0 {
			add(t, old, all[old.Head().Index:i-1]...)
		}
		if got, err := archived(t, s, journal.Head{}); err != nil || len(got) <= i {
			t.Fatalf("with %d records archived there are %d, %v", i+1, len(got), err)
		}
	}
}

// TestArchiveGap: records that are missing are an error, when they are added and when
// they are read, and so are those of another chain (L2).
func TestArchiveGap(t *testing.T) {
	s := dir.OnDisk(disk.NewMem(), "blobs")
	all := chain(t, 12, 1<<20)
	a := archive(t, s)
	add(t, a, all[:6]...)
	if err := a.Add(t.Context(), all[7]); !errors.Is(err, ErrGap) {
		t.Errorf("a record is left out: %v", err)
	}
	if err := a.Add(t.Context(), chain(t, 7, 10)[6]); !errors.Is(err, ErrGap) {
		t.Errorf("a record of another chain: %v (L2)", err)
	}
	if err := a.Add(t.Context(), all[2]); err != nil || a.Head().Index != 6 {
		t.Errorf("a void record: %v, and the archive ends in record %d", err, a.Head().Index)
	}
	add(t, a, all[6:]...)
	names, err := s.List(t.Context(), "")
	if err != nil || len(names) < 3 {
		t.Fatalf("%q, %v", names, err)
	}
	middle, err := s.Get(t.Context(), names[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), names[1]); err != nil {
		t.Fatal(err)
	}
	if _, err := archived(t, s, journal.Head{}); !errors.Is(err, ErrGap) {
		t.Errorf("a segment is gone: %v", err)
	}
	middle[len(middle)/2] ^= 1
	if err := s.Put(t.Context(), names[1], middle); err != nil {
		t.Fatal(err)
	}
	if _, err := archived(t, s, journal.Head{}); !errors.Is(err, blob.ErrCorrupt) {
		t.Errorf("a segment is damaged: %v (L12)", err)
	}
}

// TestDamagedEnd: the last segment is damaged; the archive goes on before it, and writes
// it anew from the log.
func TestDamagedEnd(t *testing.T) {
	s := dir.OnDisk(disk.NewMem(), "blobs")
	all := chain(t, 8, 1<<20)
	add(t, archive(t, s), all...)
	names, err := s.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	last := names[len(names)-1]
	if err := s.Put(t.Context(), last, []byte("no segment")); err != nil {
		t.Fatal(err)
	}
	a, bad, err := OpenArchive(t.Context(), s, database, 0, 7)
	if err != nil || len(bad) != 1 {
		t.Fatalf("%v, %v", err, bad)
	}
	add(t, a, all[a.Head().Index:]...)
	if got, err := archived(t, s, journal.Head{}); err != nil || !equal(got, all) {
		t.Errorf("%d of %d records, %v", len(got), len(all), err)
	}
}

// FuzzSegment: whatever a store returns, records come out in a chain or not at all.
func FuzzSegment(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{1, 200, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := decodeSegment(b)
		if err != nil && !errors.Is(err, blob.ErrCorrupt) {
			t.Errorf("%v is not damage", err)
		}
		for i := 1; i < len(all); i++ {
			if !follows(all[i].Record, all[i-1].Head) {
				t.Error("records that are no chain")
			}
		}
	})
}
