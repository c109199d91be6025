package journaltest

import (
	"bytes"
	"errors"
	"testing"

	"github.com/mainstemdb/mainstem/journal"
)

func testEmpty(t *testing.T, s Subject) {
	if got := collect(t, s.Log, 1); len(got) != 0 {
		t.Errorf("an empty log yields %d entries", len(got))
	}
	if err := s.Log.Confirm(t.Context(), journal.Head{}); err != nil {
		t.Errorf("Confirm of the zero head on an empty log: %v", err)
	}
	if err := s.Log.Trim(t.Context(), 5); err != nil {
		t.Errorf("Trim of an empty log: %v", err)
	}
	if s.Reopen != nil {
		if err := s.Log.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
		l := s.Reopen(t)
		defer closeLog(t, l)
		heads := fill(t, l, journal.Head{}, 3)
		wantChain(t, l, heads, 1)
	}
}

func testDense(t *testing.T, s Subject) {
	heads := fill(t, s.Log, journal.Head{}, 50)
	if heads[1].Index != 1 {
		t.Errorf("the first index is %d (L1)", heads[1].Index)
	}
	wantChain(t, s.Log, heads, 1)
}

func testOneSuccessor(t *testing.T, s Subject) {
	heads := fill(t, s.Log, journal.Head{}, 3)
	tail := heads[3]
	wrongHash, ahead := tail, tail
	wrongHash.Hash[0] ^= 1
	ahead.Index, ahead.Slot = ahead.Index+1, ahead.Slot+1
	for name, after := range map[string]journal.Head{
		"the empty log": {}, "an ancestor": heads[1], "the parent": heads[2],
		"another hash": wrongHash, "an index ahead": ahead,
	} {
		_, err := s.Log.Append(t.Context(), after, []byte("late"))
		wantError(t, "Append after "+name, err, journal.ErrLost)
	}
	// Nothing of these may be in the chain: the tail still takes a successor.
	heads = append(heads, fill(t, s.Log, tail, 1)[1])
	wantChain(t, s.Log, heads, 1)
}

func testRead(t *testing.T, s Subject) {
	heads := fill(t, s.Log, journal.Head{}, 40)
	for first := 1; first < len(heads); first++ {
		wantChain(t, s.Log, heads, first)
	}
	if got := collect(t, s.Log, heads[40].Slot+1); len(got) != 0 {
		t.Errorf("reading beyond the tail yields %d entries", len(got))
	}
	n := 0
	for range s.Log.Read(t.Context(), 1) {
		if n++; n == 5 {
			break
		}
	}
	if n != 5 {
		t.Errorf("a read that was broken off yielded %d entries", n)
	}
	for _, err := range s.Log.Read(t.Context(), 0) {
		if !errors.Is(err, journal.ErrTrimmed) {
			t.Errorf("Read from slot 0: %v, want ErrTrimmed: slots start at 1", err)
		}
	}
}

func testReadEnds(t *testing.T, s Subject) {
	heads := fill(t, s.Log, journal.Head{}, 5)
	read := s.Log.Read(t.Context(), 1)
	fill(t, s.Log, heads[5], 5)
	last := uint64(0)
	for e, err := range read {
		if err != nil {
			t.Fatal(err)
		}
		last = e.Slot
	}
	if last != heads[5].Slot {
		t.Errorf("the read ended at slot %d, the tail at its call was %d", last, heads[5].Slot)
	}
}

func testBytes(t *testing.T, s Subject) {
	mine := []byte("the caller's own bytes")
	head, err := s.Log.Append(t.Context(), journal.Head{}, mine)
	if err != nil {
		t.Fatal(err)
	}
	want := bytes.Clone(mine)
	clear(mine)
	for range 2 {
		got := collect(t, s.Log, head.Slot)
		if len(got) != 1 || !bytes.Equal(got[0].Record, want) {
			t.Fatalf("read %v, want %q alone: the engine shares bytes with a caller", got, want)
		}
		clear(got[0].Record)
	}
}

func testConfirm(t *testing.T, s Subject) {
	heads := fill(t, s.Log, journal.Head{}, 3)
	if err := s.Log.Confirm(t.Context(), heads[3]); err != nil {
		t.Errorf("Confirm of the tail: %v", err)
	}
	for _, behind := range heads[:3] {
		if err := s.Log.Confirm(t.Context(), behind); !errors.Is(err, journal.ErrLost) {
			t.Errorf("Confirm of index %d behind the tail: %v, want ErrLost (L8)", behind.Index, err)
		}
	}
	other := heads[3]
	other.Hash[5] ^= 4
	if err := s.Log.Confirm(t.Context(), other); !errors.Is(err, journal.ErrLost) {
		t.Errorf("Confirm of another record at the tail's index: %v, want ErrLost", err)
	}
}

func testTrim(t *testing.T, s Subject) {
	heads := fill(t, s.Log, journal.Head{}, 60)
	if err := s.Log.Trim(t.Context(), heads[30].Slot); err != nil {
		t.Fatalf("Trim: %v", err)
	}
	wantChain(t, s.Log, heads, 30)
	if err := s.Log.Trim(t.Context(), heads[60].Slot+100); err != nil {
		t.Fatalf("Trim beyond the tail: %v", err)
	}
	wantChain(t, s.Log, heads, 60)
	// What is gone is said to be gone; what is not is still right.
	for e, err := range s.Log.Read(t.Context(), 1) {
		if err != nil {
			if !errors.Is(err, journal.ErrTrimmed) {
				t.Errorf("Read of a trimmed slot: %v, want ErrTrimmed", err)
			}
			break
		}
		if journal.Sum(e.Record) != heads[e.Slot].Hash && e.Slot == heads[e.Slot].Slot {
			t.Errorf("slot %d changed by a trim", e.Slot)
		}
	}
	heads = append(heads, fill(t, s.Log, heads[60], 5)[1:]...)
	wantChain(t, s.Log, heads, 60)
	if s.Reopen != nil {
		if err := s.Log.Close(); err != nil {
			t.Fatal(err)
		}
		l := s.Reopen(t)
		defer closeLog(t, l)
		wantChain(t, l, heads, 60)
		fill(t, l, heads[65], 1)
	}
}

func testSizes(t *testing.T, s Subject) {
	head := journal.Head{}
	for _, n := range []int{0, 1, 7, 8, 511, 512, 513, 4096, 100_000, journal.MaxRecord} {
		record := bytes.Repeat([]byte{0xa5}, n)
		next, err := s.Log.Append(t.Context(), head, record)
		if err != nil {
			t.Fatalf("Append of %d bytes: %v", n, err)
		}
		got := collect(t, s.Log, next.Slot)
		if len(got) != 1 || !bytes.Equal(got[0].Record, record) {
			t.Fatalf("a record of %d bytes reads back differently", n)
		}
		head = next
	}
	_, err := s.Log.Append(t.Context(), head, make([]byte, journal.MaxRecord+1))
	wantError(t, "Append of a record over the limit", err, journal.ErrFailed)
	fill(t, s.Log, head, 1)
}
