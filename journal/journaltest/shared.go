package journaltest

import (
	"sync"
	"testing"

	"github.com/mainstemdb/mainstem/journal"
)

// testTwoProcesses: what one process appends, the other sees, waits for, confirms,
// and must not overwrite (L2).
func testTwoProcesses(t *testing.T, s Subject) {
	if s.Shared == nil {
		t.Log("one process has this engine's log to itself")
		return
	}
	other := s.Shared(t)
	defer closeLog(t, other)
	waited := make(chan error, 1)
	go func() { waited <- other.Wait(t.Context(), 1) }()
	heads := fill(t, s.Log, journal.Head{}, 3)
	if err := <-waited; err != nil {
		t.Errorf("Wait for what another process appends: %v", err)
	}
	wantChain(t, other, heads, 1)
	heads = append(heads, fill(t, other, heads[3], 2)[1:]...)
	wantChain(t, s.Log, heads, 1)
	_, err := s.Log.Append(t.Context(), heads[3], []byte("stale"))
	wantError(t, "Append after what another process has appended", err, journal.ErrLost)
	wantError(t, "Confirm of a head that another process has passed", s.Log.Confirm(t.Context(), heads[3]), journal.ErrLost)
	for _, l := range []journal.Log{s.Log, other} {
		if err := l.Confirm(t.Context(), heads[5]); err != nil {
			t.Errorf("Confirm of the tail: %v", err)
		}
	}
	for range 20 {
		after := heads[len(heads)-1]
		won := make(chan journal.Head, 2)
		var racing sync.WaitGroup
		for name, l := range map[string]journal.Log{"one": s.Log, "other": other} {
			racing.Go(func() {
				head, err := l.Append(t.Context(), after, []byte(name))
				if err == nil {
					won <- head
				} else {
					wantError(t, "Append that lost a race", err, journal.ErrLost)
				}
			})
		}
		racing.Wait()
		if len(won) != 1 {
			t.Fatalf("%d of 2 processes became the successor of index %d (L2)", len(won), after.Index)
		}
		heads = append(heads, <-won)
	}
	wantChain(t, s.Log, heads, 1)
	wantChain(t, other, heads, 1)
}

// testRepeatedAppend: a record that follows its predecessor already is not written
// twice, whether or not others follow it by now (L11).
func testRepeatedAppend(t *testing.T, s Subject) {
	if s.Shared == nil {
		t.Log("one process has this engine's log to itself")
		return
	}
	heads := fill(t, s.Log, journal.Head{}, 3)
	for range 2 {
		again, err := s.Log.Append(t.Context(), heads[2], body(3))
		if err != nil || again != heads[3] {
			t.Errorf("the same append again: %+v, %v; want %+v (L11)", again, err, heads[3])
		}
	}
	heads = append(heads, fill(t, s.Log, heads[3], 2)[1:]...)
	again, err := s.Log.Append(t.Context(), heads[2], body(3))
	if err != nil || again != heads[3] {
		t.Errorf("the same append again, after others followed: %+v, %v; want %+v (L11)", again, err, heads[3])
	}
	wantChain(t, s.Log, heads, 1)
}
