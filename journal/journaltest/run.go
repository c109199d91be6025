package journaltest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/mainstemdb/mainstem/journal"
)

// Subject is one empty log under test.
type Subject struct {
	// Log is what is tested. The suite closes it.
	Log journal.Log
	// Reopen opens the same log again after it was closed; nil for an engine
	// whose log ends with Close.
	Reopen func(t *testing.T) journal.Log
	// Crash takes the power away while Log is open, gives it back, and opens
	// the log again; nil for an engine that has no such function here. Log is
	// not used afterwards, other than to close it.
	Crash func(t *testing.T) journal.Log
	// Shared opens the same log for another process while Log is open; nil for an
	// engine whose log one process has to itself. The suite closes what it opens.
	Shared func(t *testing.T) journal.Log
}

// Run tests an engine. It calls open once for each test, for an empty log.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, s Subject)
	}{
		{"empty", testEmpty},
		{"dense", testDense},
		{"one successor", testOneSuccessor},
		{"read", testRead},
		{"read ends at the tail", testReadEnds},
		{"the caller keeps the bytes", testBytes},
		{"wait", testWait},
		{"confirm", testConfirm},
		{"trim", testTrim},
		{"sizes", testSizes},
		{"cancel", testCancel},
		{"close", testClose},
		{"close ends waiting", testCloseEndsWaiting},
		{"readers beside an appender", testConcurrent},
		{"racing appenders", testRace},
		{"two processes", testTwoProcesses},
		{"repeated append", testRepeatedAppend},
		{"reopen", testReopen},
		{"crash", testCrash},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t)
			defer func() {
				if err := s.Log.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			}()
			c.test(t, s)
		})
	}
}

// fill appends n records after head and returns the heads, head first.
func fill(t *testing.T, l journal.Log, head journal.Head, n int) []journal.Head {
	t.Helper()
	heads := []journal.Head{head}
	for range n {
		record := body(head.Index + 1)
		next, err := l.Append(t.Context(), head, record)
		if err != nil {
			t.Fatalf("Append after index %d: %v", head.Index, err)
		}
		if next.Index != head.Index+1 || next.Hash != journal.Sum(record) || next.Slot <= head.Slot {
			t.Fatalf("Append after %+v returned %+v: want the next index, the record's hash, a higher slot", head, next)
		}
		head = next
		heads = append(heads, head)
	}
	return heads
}

// body is the record that the suite puts at an index; sizes vary with it.
func body(index uint64) []byte {
	b := fmt.Appendf(nil, "record %d ", index)
	for range index * 37 % 200 {
		b = append(b, byte(index))
	}
	return b
}

// collect reads from slot to the end.
func collect(t *testing.T, l journal.Log, from uint64) []journal.Entry {
	t.Helper()
	entries := []journal.Entry{}
	for e, err := range l.Read(t.Context(), from) {
		if err != nil {
			t.Fatalf("Read from slot %d: %v", from, err)
		}
		entries = append(entries, e)
	}
	return entries
}

// wantChain checks that the log holds exactly the records of the heads, from
// the one at place first on. The slots of voids may lie between.
func wantChain(t *testing.T, l journal.Log, heads []journal.Head, first int) {
	t.Helper()
	want := heads[first:]
	entries := collect(t, l, want[0].Slot)
	at := 0
	for i, e := range entries {
		if i > 0 && e.Slot != entries[i-1].Slot+1 {
			t.Errorf("slot %d follows slot %d: slots are dense (L2)", e.Slot, entries[i-1].Slot)
		}
		if at < len(want) && e.Slot == want[at].Slot {
			if journal.Sum(e.Record) != want[at].Hash {
				t.Errorf("slot %d holds %q: another record was acknowledged there (L2)", e.Slot, e.Record)
			}
			at++
		}
	}
	if at != len(want) {
		t.Errorf("read %d of %d acknowledged records from slot %d on", at, len(want), want[0].Slot)
	}
	if n := len(entries); n > 0 && entries[n-1].Slot != want[len(want)-1].Slot {
		t.Errorf("the last slot is %d, the tail is %d", entries[n-1].Slot, want[len(want)-1].Slot)
	}
}

// wantError checks an outcome, and that it is exactly one of the three.
func wantError(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
	for _, other := range []error{journal.ErrLost, journal.ErrUnknown, journal.ErrFailed} {
		if other != want && errors.Is(err, other) { //nolint:errorlint // the sentinels themselves
			t.Errorf("%s: %v is %v as well: every outcome is exactly one of the three (L11)", what, err, other)
		}
	}
}

func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
