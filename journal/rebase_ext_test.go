package journal_test

import (
	"context"
	"errors"
	"iter"
	"testing"

	"github.com/mainstemdb/mainstem/engine/memory"
	"github.com/mainstemdb/mainstem/journal"
	"github.com/mainstemdb/mainstem/journal/journaltest"
)

var base = journal.Head{Index: 1000, Hash: journal.Sum([]byte("the record before"))}

// early shows a rebased log as one that begins a chain, so that the suite, which
// begins with the zero Head, holds it to everything that a log must do.
type early struct{ journal.Log }

func (e early) Append(ctx context.Context, after journal.Head, record []byte) (journal.Head, error) {
	head, err := e.Log.Append(ctx, up(after), record)
	if err == nil {
		head.Index -= base.Index
	}
	return head, err
}

func (e early) Confirm(ctx context.Context, head journal.Head) error {
	return e.Log.Confirm(ctx, up(head))
}

func (e early) Read(ctx context.Context, from uint64) iter.Seq2[journal.Entry, error] {
	return e.Log.Read(ctx, from)
}

func up(h journal.Head) journal.Head {
	if h.Index == 0 && h.Hash == (journal.Hash{}) {
		return base
	}
	h.Index += base.Index
	return h
}

// TestRebaseConforms: a log that begins in the middle of a chain is a log.
func TestRebaseConforms(t *testing.T) {
	journaltest.Run(t, func(*testing.T) journaltest.Subject {
		return journaltest.Subject{Log: early{journal.Rebase(memory.New(), base)}}
	})
}

// TestRebase: the first record follows base and nothing else, and a log whose chain
// begins with it is left as it is.
func TestRebase(t *testing.T) {
	l := journal.Rebase(memory.New(), base)
	for name, after := range map[string]journal.Head{
		"nothing":            {},
		"one before":         {Index: 999, Hash: base.Hash},
		"another of its age": {Index: 1000, Hash: journal.Sum(nil)},
		"one behind":         {Index: 1001, Hash: base.Hash},
	} {
		if _, err := l.Append(t.Context(), after, []byte("a")); !errors.Is(err, journal.ErrLost) {
			t.Errorf("after %s: %v, want lost (L2)", name, err)
		}
		if err := l.Confirm(t.Context(), after); !errors.Is(err, journal.ErrLost) {
			t.Errorf("confirming %s: %v, want lost (L8)", name, err)
		}
	}
	head, err := l.Append(t.Context(), base, []byte("a"))
	if want := (journal.Head{Index: 1001, Hash: journal.Sum([]byte("a")), Slot: 1}); err != nil || head != want {
		t.Fatalf("the first record is %+v, %v; want %+v", head, err, want)
	}
	if err := errors.Join(l.Confirm(t.Context(), head), l.Close()); err != nil {
		t.Error(err)
	}
	whole := memory.New()
	if journal.Rebase(whole, journal.Head{}) != journal.Log(whole) {
		t.Error("a log that begins with the chain was changed")
	}
}
