package memory_test

import (
	"errors"
	"testing"

	"go.uber.org/goleak"

	"github.com/mainstemdb/mainstem/engine/memory"
	"github.com/mainstemdb/mainstem/journal"
	"github.com/mainstemdb/mainstem/journal/journaltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	journaltest.Run(t, func(*testing.T) journaltest.Subject {
		return journaltest.Subject{Log: memory.New()}
	})
}

func TestFailNext(t *testing.T) {
	for _, c := range []struct {
		outcome error
		kept    bool
		index   uint64
	}{
		{journal.ErrFailed, false, 0},
		{journal.ErrFailed, true, 0}, // a definite failure never leaves a record
		{journal.ErrUnknown, false, 0},
		{journal.ErrUnknown, true, 1},
	} {
		l := memory.New()
		l.FailNext(c.outcome, c.kept)
		if _, err := l.Append(t.Context(), journal.Head{}, []byte("a")); !errors.Is(err, c.outcome) {
			t.Errorf("Append after FailNext(%v, %v) = %v", c.outcome, c.kept, err)
		}
		if got := l.Tail().Index; got != c.index {
			t.Errorf("tail after FailNext(%v, %v) = %d, want %d", c.outcome, c.kept, got, c.index)
		}
		if _, err := l.Append(t.Context(), l.Tail(), []byte("b")); err != nil {
			t.Errorf("the second Append = %v: only one is to fail", err)
		}
	}
}
