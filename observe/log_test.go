package observe

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstemdb/mainstem"
)

// page is what a log was told.
type page struct {
	mu   sync.Mutex
	text strings.Builder
}

func (p *page) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *page) take() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.text.Reset()
	return p.text.String()
}

func logging(slow time.Duration) (*Observer, *page) {
	p := &page{}
	return New(Log(slog.New(slog.NewTextHandler(p, nil)), slow)), p
}

// slowly is a Backend that takes its time, and answers what it is to.
type slowly struct {
	mainstem.Backend
	takes   time.Duration
	receipt *mainstem.Receipt
	err     error
}

func (s *slowly) Commit(context.Context, *mainstem.Transaction) (*mainstem.Receipt, error) {
	<-time.After(s.takes)
	return s.receipt, s.err
}

// TestLogNamesPositionAndTrace: of a slow commit and of one whose end somebody has
// to look at, and of no other; and names of the user are in none.
func TestLogNamesPositionAndTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, p := logging(time.Second)
		s := &slowly{receipt: &mainstem.Receipt{Partition: 3, Position: 41}}
		b := o.Backend(s)
		commit := func() string {
			_, _ = b.Commit(t.Context(), &mainstem.Transaction{Group: "secret", Meta: mainstem.Meta{Trace: "t-1"}})
			return p.take()
		}
		if said := commit(); said != "" {
			t.Errorf("of a quick commit: %s", said)
		}
		s.takes = time.Second
		if said := commit(); !strings.Contains(said, "a commit was slow") || !strings.Contains(said, "outcome=done took=1s trace=t-1 partition=3 position=41") {
			t.Errorf("of a slow commit: %s", said)
		}
		s.takes, s.receipt, s.err = 0, nil, mainstem.Errorf(mainstem.Conflict, "group secret")
		if said := commit(); said != "" {
			t.Errorf("of a conflict: %s", said)
		}
		s.err = mainstem.Errorf(mainstem.Undecided, "group secret")
		if said := commit(); !strings.Contains(said, "level=ERROR") || !strings.Contains(said, "outcome=undecided") || strings.Contains(said, "secret") {
			t.Errorf("of an undecided commit: %s", said)
		}
	})
}

// TestDeliveriesAreLogged: one that failed, with the change that it began with.
func TestDeliveriesAreLogged(t *testing.T) {
	o, p := logging(time.Hour)
	batch := []mainstem.Change{{Partition: 2, Position: 9, Group: "secret", Meta: mainstem.Meta{Trace: "t-9"}}, {Partition: 2, Position: 11}}
	_, end := o.Deliver(t.Context(), batch)
	end(mainstem.Errorf(mainstem.Unavailable, "later"))
	if said := p.take(); said != "" {
		t.Errorf("of one that is repeated: %s", said)
	}
	_, end = o.Deliver(t.Context(), batch)
	end(mainstem.Errorf(mainstem.Invalid, "no"))
	if said := p.take(); !strings.Contains(said, "changes=2") || !strings.Contains(said, "partition=2 position=9 trace=t-9") || strings.Contains(said, "secret") {
		t.Errorf("of one that failed: %s", said)
	}
}

// TestLogBurst: within a second LogBurst lines come, and the next one after it says
// how many did not.
func TestLogBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, p := logging(0)
		b := o.Backend(&slowly{receipt: &mainstem.Receipt{}})
		commit := func() { _, _ = b.Commit(t.Context(), &mainstem.Transaction{Group: "g"}) }
		for range LogBurst + 5 {
			commit()
		}
		if n := strings.Count(p.take(), "\n"); n != LogBurst {
			t.Errorf("%d lines, want %d", n, LogBurst)
		}
		time.Sleep(time.Second)
		commit()
		commit()
		if said := p.take(); strings.Count(said, "unsaid=5") != 1 || strings.Count(said, "\n") != 2 {
			t.Errorf("a second later: %s", said)
		}
	})
}
