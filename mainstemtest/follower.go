package mainstemtest

import (
	"context"
	"sync"

	"github.com/mainstemdb/mainstem"
)

// Follower is a Backend that stands before another like a replica that is behind:
// what it has is the state at some position of the past, until CatchUp. Reads that
// are Local get that, reads AtLeast a token wait for it, and the rest, writes
// too, goes to the one that wrote, as it does in a cluster. Its database has one
// partition, and it reads keys and streams only.
type Follower struct {
	mainstem.Backend

	mu      sync.Mutex
	at      mainstem.Position
	moved   chan struct{} // closed when at moves
	waiting int
}

var _ mainstem.Backend = (*Follower)(nil)

// NewFollower puts a Follower before b that has what b has now.
func NewFollower(ctx context.Context, b mainstem.Backend) (*Follower, error) {
	f := &Follower{Backend: b, moved: make(chan struct{})}
	return f, f.CatchUp(ctx)
}

// CatchUp makes it have what the other has now.
func (f *Follower) CatchUp(ctx context.Context) error {
	view, err := f.Backend.View(ctx, mainstem.ViewRequest{At: mainstem.Latest()})
	if err != nil {
		return err
	}
	defer view.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, mark := range view.Stamp().Token.Marks() {
		f.at = max(f.at, mark.Position)
	}
	close(f.moved)
	f.moved = make(chan struct{})
	return nil
}

// Waiting is how many reads wait for it to catch up.
func (f *Follower) Waiting() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.waiting
}

// View reads from the past.
func (f *Follower) View(ctx context.Context, r mainstem.ViewRequest) (mainstem.Snapshot, error) {
	switch r.At.Level {
	case mainstem.LevelAtLeast:
		if err := f.await(ctx, r.At.Token); err != nil {
			return nil, err
		}
	case mainstem.LevelLocal:
	default:
		return f.Backend.View(ctx, r)
	}
	f.mu.Lock()
	r.At = mainstem.AsOf(f.at)
	f.mu.Unlock()
	return f.Backend.View(ctx, r)
}

// await waits until it has what the token has seen.
func (f *Follower) await(ctx context.Context, token mainstem.Token) error {
	for {
		f.mu.Lock()
		behind, moved := false, f.moved
		for _, mark := range token.Marks() {
			behind = behind || mark.Position > f.at
		}
		if !behind {
			f.mu.Unlock()
			return nil
		}
		f.waiting++
		f.mu.Unlock()
		var err error
		select {
		case <-moved:
		case <-ctx.Done():
			err = mainstem.Errorf(mainstem.Unavailable, "the follower is behind what the token has seen: %w", context.Cause(ctx))
		}
		f.mu.Lock()
		f.waiting--
		f.mu.Unlock()
		if err != nil {
			return err
		}
	}
}
