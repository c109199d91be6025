package mainstem_test

import (
	"context"
	"sync"
	"testing"

	"github.com/mainstemdb/mainstem"
)

// asked records what consistency a backend is asked for.
type asked struct {
	mainstem.Backend
	mu sync.Mutex
	at []mainstem.Consistency
}

func (a *asked) View(ctx context.Context, r mainstem.ViewRequest) (mainstem.Snapshot, error) {
	a.mu.Lock()
	a.at = append(a.at, r.At)
	a.mu.Unlock()
	return a.Backend.View(ctx, r)
}

func (a *asked) last() mainstem.Consistency {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.at[len(a.at)-1]
}

// What a session has written or seen, it sees from then on (L8).
func TestSessionRaisesReads(t *testing.T) {
	db := open(t)
	backend := &asked{Backend: db.Backend()}
	ctx := t.Context()
	s := mainstem.New(backend).Session(mainstem.Token{})
	g := s.DB().Group("a")
	get := func(at mainstem.Consistency) mainstem.Consistency {
		t.Helper()
		if _, err := g.Get(ctx, "k", at); err != nil {
			t.Fatal(err)
		}
		return backend.last()
	}
	if got := get(mainstem.Local()); got != mainstem.Local() {
		t.Errorf("a session that has seen nothing asks for %+v", got)
	}
	r := do(t, g, "1", func(tx *mainstem.Txn) error { tx.Put("k", nil); return nil })
	if s.Token() != r.Token || r.Token.IsZero() {
		t.Errorf("after a write the session has seen %v, must be %v", s.Token().Marks(), r.Token.Marks())
	}
	for name, at := range map[string]mainstem.Consistency{"Local": mainstem.Local(), "AtLeast": mainstem.AtLeast(mainstem.Token{})} {
		if got := get(at); got != mainstem.AtLeast(s.Token()) {
			t.Errorf("%s is asked as %+v", name, got)
		}
	}
	if got := get(mainstem.Latest()); got != mainstem.Latest() {
		t.Errorf("Latest is asked as %+v", got)
	}
	if got := get(mainstem.AsOf(r.Position)); got != mainstem.AsOf(r.Position) {
		t.Errorf("AsOf is asked as %+v", got)
	}
	other := do(t, db.Group("a"), "2", func(tx *mainstem.Txn) error { tx.Put("k", nil); return nil })
	get(mainstem.Latest())
	if s.Token().Merge(other.Token) != s.Token() {
		t.Errorf("after a view the session has seen %v, must have seen %v", s.Token().Marks(), other.Token.Marks())
	}
}

func TestSessionSeesFeedsAndReplays(t *testing.T) {
	db := open(t)
	ctx := t.Context()
	first := do(t, db.Group("a"), "1", func(tx *mainstem.Txn) error { tx.Put("k", nil); return nil })
	replay := db.Session(mainstem.Token{})
	r := do(t, replay.DB().Group("a"), "1", func(*mainstem.Txn) error { t.Error("the function runs again"); return nil })
	if !r.Replayed || replay.Token().Merge(first.Token) != replay.Token() {
		t.Errorf("a replay leaves the session at %v", replay.Token().Marks())
	}
	feed := db.Session(mainstem.Token{})
	for batch, err := range feed.DB().Changes(ctx, mainstem.From{Drain: true}) {
		must(t, err)
		if feed.Token() != batch.Token {
			t.Errorf("a batch leaves the session at %v, must be %v", feed.Token().Marks(), batch.Token.Marks())
		}
	}
	if feed.Token().IsZero() {
		t.Error("the feed yields nothing")
	}
}

// stale answers Within with an older view, as a replica may.
type stale struct {
	asked
	old mainstem.Position
}

func (b *stale) View(ctx context.Context, r mainstem.ViewRequest) (mainstem.Snapshot, error) {
	if r.At.Level == mainstem.LevelWithin {
		r.At = mainstem.AsOf(b.old)
	}
	return b.asked.View(ctx, r)
}

func TestSessionWithinNeverRunsBack(t *testing.T) {
	db := open(t)
	g := db.Group("a")
	put := func(value string) *mainstem.Receipt {
		return do(t, g, "", func(tx *mainstem.Txn) error { tx.Put("k", []byte(value)); return nil })
	}
	old, now := put("old"), put("new")
	s := mainstem.New(&stale{asked: asked{Backend: db.Backend()}, old: old.Position}).Session(now.Token)
	v, err := s.DB().Group("a").Get(t.Context(), "k", mainstem.Within(1))
	if err != nil || v.Value.String() != "new" {
		t.Errorf("the session reads %q, %v, and has seen newer", v.Value, err)
	}
}

func TestSessionFromManyGoroutines(t *testing.T) {
	db := open(t)
	s := db.Session(mainstem.Token{})
	g := s.DB().Group("a")
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 20 {
				r, err := g.Do(t.Context(), "", func(tx *mainstem.Txn) error { tx.Add("n", 1); return nil })
				if err != nil {
					t.Error(err)
					return
				}
				v, err := g.Get(t.Context(), "n", mainstem.Local())
				if err != nil || v.Value.Int < r.Results[0].Counter {
					t.Errorf("reads %d, %v, after adding up to %d", v.Value.Int, err, r.Results[0].Counter)
				}
			}
		})
	}
	wait.Wait()
	if v, err := g.Get(t.Context(), "n", mainstem.Local()); err != nil || v.Value.Int != 160 {
		t.Errorf("%d, %v, must be 160", v.Value.Int, err)
	}
}
