package journaltest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/mainstemdb/mainstem/journal"
)

func closeLog(t *testing.T, l journal.Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func testWait(t *testing.T, s Subject) {
	waited := make(chan error, 3)
	for range cap(waited) {
		go func() { waited <- s.Log.Wait(t.Context(), 2) }()
	}
	heads := fill(t, s.Log, journal.Head{}, 2)
	for range cap(waited) {
		if err := <-waited; err != nil {
			t.Errorf("Wait: %v", err)
		}
	}
	if err := s.Log.Wait(t.Context(), heads[1].Slot); err != nil {
		t.Errorf("Wait for a slot that is there: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { waited <- s.Log.Wait(ctx, heads[2].Slot+1) }()
	cancel()
	if err := <-waited; !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled Wait: %v, want the context's error", err)
	}
}

func testCancel(t *testing.T, s Subject) {
	heads := fill(t, s.Log, journal.Head{}, 3)
	head, err := s.Log.Append(cancelled(), heads[3], []byte("cancelled"))
	switch {
	case err == nil: // an engine may finish what it began
		heads = append(heads, head)
	case errors.Is(err, journal.ErrUnknown):
		t.Fatalf("Append with a context that had ended: %v: nothing was begun", err)
	default:
		wantError(t, "Append with a context that had ended", err, journal.ErrFailed)
	}
	for _, err := range s.Log.Read(cancelled(), 1) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("a cancelled Read: %v, want the context's error", err)
		}
	}
	heads = append(heads, fill(t, s.Log, heads[len(heads)-1], 1)[1])
	wantChain(t, s.Log, heads, 1)
}

func testClose(t *testing.T, s Subject) {
	heads := fill(t, s.Log, journal.Head{}, 3)
	read := s.Log.Read(t.Context(), 1)
	closeLog(t, s.Log)
	closeLog(t, s.Log) // a second time is harmless
	_, err := s.Log.Append(t.Context(), heads[3], []byte("late"))
	wantError(t, "Append after Close", err, journal.ErrFailed)
	for what, err := range map[string]error{
		"Wait":    s.Log.Wait(t.Context(), 1),
		"Confirm": s.Log.Confirm(t.Context(), heads[3]),
		"Trim":    s.Log.Trim(t.Context(), 2),
		"a Read begun before": func() error {
			for _, err := range read {
				return err
			}
			return nil
		}(),
		"a Read begun after": func() error {
			for _, err := range s.Log.Read(t.Context(), 1) {
				return err
			}
			return nil
		}(),
	} {
		wantError(t, what+" after Close", err, journal.ErrFailed)
	}
}

func testCloseEndsWaiting(t *testing.T, s Subject) {
	waited := make(chan error)
	go func() { waited <- s.Log.Wait(t.Context(), 1) }()
	closeLog(t, s.Log)
	wantError(t, "Wait during Close", <-waited, journal.ErrFailed)
}

func testConcurrent(t *testing.T, s Subject) {
	const records, readers = 150, 4
	errs := make(chan error, readers)
	for range readers {
		go func() { errs <- follow(t.Context(), s.Log, records) }()
	}
	heads := fill(t, s.Log, journal.Head{}, records)
	for range readers {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	wantChain(t, s.Log, heads, 1)
}

// follow reads behind an appender until it has seen n records of body.
func follow(ctx context.Context, l journal.Log, n uint64) error {
	seen, slot := uint64(0), uint64(1)
	for seen < n {
		if err := l.Wait(ctx, slot); err != nil {
			return fmt.Errorf("wait for slot %d: %w", slot, err)
		}
		before := slot
		for e, err := range l.Read(ctx, slot) {
			if err != nil {
				return fmt.Errorf("read from slot %d: %w", slot, err)
			}
			if e.Slot != slot {
				return fmt.Errorf("slot %d comes where %d was due (L2)", e.Slot, slot)
			}
			if string(e.Record) == string(body(seen+1)) {
				seen++
			}
			slot++
		}
		if slot == before {
			return fmt.Errorf("wait said that slot %d is there, but a read does not yield it", slot)
		}
	}
	return nil
}

// testRace lets several writers append after the same head: one wins (L2).
func testRace(t *testing.T, s Subject) {
	heads := fill(t, s.Log, journal.Head{}, 2)
	for range 10 {
		after, winners := heads[len(heads)-1], make(chan journal.Head, 4)
		var racing sync.WaitGroup
		for w := range cap(winners) {
			racing.Go(func() {
				head, err := s.Log.Append(t.Context(), after, fmt.Appendf(nil, "writer %d", w))
				if err == nil {
					winners <- head
				} else {
					wantError(t, "Append that lost a race", err, journal.ErrLost)
				}
			})
		}
		racing.Wait()
		if len(winners) != 1 {
			t.Fatalf("%d of %d writers became the successor of index %d (L2)", len(winners), cap(winners), after.Index)
		}
		heads = append(heads, <-winners)
	}
	wantChain(t, s.Log, heads, 1)
}

func testReopen(t *testing.T, s Subject) {
	if s.Reopen == nil {
		t.Log("this engine's log ends with Close")
		return
	}
	l, heads := s.Log, []journal.Head{{}}
	for range 4 {
		heads = append(heads, fill(t, l, heads[len(heads)-1], 25)[1:]...)
		closeLog(t, l)
		l = s.Reopen(t)
		wantChain(t, l, heads, 1)
		if err := l.Confirm(t.Context(), heads[len(heads)-1]); err != nil {
			t.Errorf("Confirm after reopening: %v", err)
		}
		_, err := l.Append(t.Context(), heads[len(heads)-2], []byte("stale"))
		wantError(t, "Append after the parent of the tail, after reopening", err, journal.ErrLost)
	}
	closeLog(t, l)
}

func testCrash(t *testing.T, s Subject) {
	if s.Crash == nil {
		t.Log("no crash function is offered for this engine")
		return
	}
	heads := fill(t, s.Log, journal.Head{}, 70)
	l := s.Crash(t)
	defer closeLog(t, l)
	wantChain(t, l, heads, 1)
	heads = append(heads, fill(t, l, heads[70], 20)[1:]...)
	wantChain(t, l, heads, 1)
}
