package model

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/mainstemdb/mainstem"
)

func sorted[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// Backend is a Model behind the upper seam, so that whatever judges a database
// can first be tried on the judge. Its time stands still but for Step.
type Backend struct {
	mu     sync.Mutex
	model  *Model
	age    mainstem.LogAge
	closed bool
	grown  chan struct{} // closed, and made anew, when the log grows or ends
}

// NewBackend puts a model behind the upper seam.
func NewBackend(m *Model) *Backend { return &Backend{model: m, grown: make(chan struct{})} }

// Step lets time pass, and deletes what expires meanwhile.
func (b *Backend) Step(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.age = b.age.Add(d)
	b.model.Expire(b.age)
	b.notify()
}

func (b *Backend) notify() {
	close(b.grown)
	b.grown = make(chan struct{})
}

func stopped() error { return no(mainstem.Stopped, "closed") }

// Commit judges one transaction.
func (b *Backend) Commit(ctx context.Context, t *mainstem.Transaction) (*mainstem.Receipt, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return nil, stopped()
	case ctx.Err() != nil:
		return nil, no(mainstem.Cancelled, "before it was sent")
	}
	defer b.notify()
	return b.model.Commit(b.age, t)
}

// View freezes a position.
func (b *Backend) View(_ context.Context, r mainstem.ViewRequest) (mainstem.Snapshot, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, stopped()
	}
	if r.Group != "" {
		if err := name(r.Group); err != nil {
			return nil, err
		}
	}
	at, err := b.resolve(r.At)
	if err != nil {
		return nil, err
	}
	s := &snapshot{backend: b, group: r.Group, at: at, age: b.age}
	if !r.ID.IsZero() {
		g := b.model.group(r.Group)
		s.refused = g.killed[r.ID.String()].attempt
		s.known, err = b.model.known(g, b.age, r.ID, r.Fingerprint)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// resolve finds the position that a consistency asks for.
func (b *Backend) resolve(c mainstem.Consistency) (mainstem.Position, error) {
	tail := b.model.Tail()
	switch c.Level {
	case mainstem.LevelLatest, mainstem.LevelWithin, mainstem.LevelLocal:
		return tail, nil
	case mainstem.LevelAtLeast:
		for _, mark := range c.Token.Marks() {
			if mark.Incarnation != incarnation || mark.Position > tail {
				return 0, no(mainstem.HistoryLost, "token")
			}
		}
		return tail, nil
	case mainstem.LevelAsOf:
		if c.Position > tail {
			return 0, no(mainstem.HistoryLost, "position in the future")
		}
		return c.Position, nil
	case mainstem.LevelAsOfTime:
		at := mainstem.Position(0)
		for _, change := range b.model.log {
			if change.Wall.Before(c.Time) {
				at = change.Position
			}
		}
		return at, nil
	default:
		return 0, no(mainstem.Invalid, "no consistency")
	}
}

// Close ends every feed.
func (b *Backend) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.notify()
	return nil
}
