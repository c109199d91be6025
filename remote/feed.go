package remote

import (
	"context"
	"iter"
	"time"

	"connectrpc.com/connect"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/wire"
)

// Changes yields a server's feed. A feed that breaks ends as Unavailable, and goes
// on after the token of its last batch, on this server or another.
func (c *client) Changes(ctx context.Context, from mainstem.From) iter.Seq2[mainstem.Batch, error] {
	return func(yield func(mainstem.Batch, error) bool) {
		if err := from.Validate(); err != nil {
			yield(mainstem.Batch{}, err)
			return
		}
		err := c.each(func(s *server) (bool, error) {
			begun, err := s.changes(ctx, from, yield)
			return begun || !elsewhere(err), err
		})
		if err != nil {
			yield(mainstem.Batch{}, err)
		}
	}
}

// changes passes a feed on. It reports whether the feed has begun: then another
// server is the reader's business.
func (s *server) changes(ctx context.Context, from mainstem.From, yield func(mainstem.Batch, error) bool) (begun bool, err error) {
	if err := s.breaker.pass(s.address); err != nil {
		return false, err
	}
	outer := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.life, func() { cancel(errClosed) })()
	silence := mainstem.Errorf(mainstem.Unavailable, "server %s gave no sign of life for %s", s.address, FeedSilence)
	watch := time.AfterFunc(FeedSilence, func() { cancel(silence) })
	defer watch.Stop()
	request := wire.From(from)
	request.Follower = mainstem.FollowerOf(ctx)
	stream, err := s.rpc.Changes(ctx, connect.NewRequest(request))
	if err != nil {
		s.breaker.tell(outer, word(err))
		return false, s.broken(ctx, err)
	}
	defer stream.Close()
	heard := false
	for stream.Receive() {
		if !heard {
			heard = true
			s.breaker.tell(outer, true)
		}
		watch.Reset(FeedSilence)
		if stream.Msg().GetHeartbeat() {
			continue
		}
		batch, err := wire.ParseBatch(stream.Msg())
		if err != nil {
			return true, err
		}
		watch.Stop() // the reader may take its time
		if !yield(batch, nil) {
			return true, nil
		}
		begun = true
		watch.Reset(FeedSilence)
	}
	err = stream.Err()
	if !heard {
		s.breaker.tell(outer, word(err))
	}
	if err != nil {
		return begun, s.broken(ctx, err)
	}
	return true, nil
}

// broken is why a feed ended.
func (s *server) broken(ctx context.Context, err error) error {
	if failed := wire.Failure(err, mainstem.Unavailable); connect.IsWireError(err) || failed.Code == mainstem.Denied {
		return failed
	}
	if ctx.Err() != nil {
		cause := context.Cause(ctx)
		if mainstem.CodeOf(cause) != 0 {
			return cause
		}
		return mainstem.Errorf(mainstem.Cancelled, "the feed of %s: %w", s.address, cause)
	}
	return mainstem.Errorf(mainstem.Unavailable, "the feed of %s broke; go on after the last batch's token: %w", s.address, err)
}
