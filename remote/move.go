package remote

import (
	"context"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"

	"github.com/mainstemdb/mainstem"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
)

// MoveStep is how far a move is, as the server tells it.
type MoveStep struct {
	// Step is "copy", "confirm", "snapshot", "commit" or "done".
	Step      string
	Partition int
	// Copied are the records that were copied, Lag those of the partition that are left.
	Copied, Lag uint64
	// Missing are the members that have not said yet that they reach the new log.
	Missing []string
	// Generation is, at the end, that of the log that the database is in, in hex, and
	// WritePause how long writes of a partition waited at most.
	Generation string
	WritePause time.Duration
}

// Move moves the database to the log at url, while it serves, by the first server that
// can be reached: the right admin. It returns the last step. Undecided says that the
// move may have been recorded; repeating it is safe. It may take as long as it likes, and is
// given up after FeedSilence without a sign of life of the server.
func (db *DB) Move(ctx context.Context, url string, progress func(MoveStep)) (done *MoveStep, err error) {
	err = db.client.each(func(s *server) (bool, error) {
		done, err = s.move(ctx, url, progress)
		return !elsewhere(err) || done != nil, err
	})
	if err != nil {
		return nil, err
	}
	return done, nil
}

// move asks one server. A step that came says that it was reached.
func (s *server) move(ctx context.Context, url string, progress func(MoveStep)) (last *MoveStep, err error) {
	if err := s.breaker.pass(s.address); err != nil {
		return nil, err
	}
	outer := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.life, func() { cancel(errClosed) })()
	watch := time.AfterFunc(FeedSilence, func() { cancel(errTimeout) }) // as of a feed
	defer watch.Stop()
	stream, err := s.admin.Move(ctx, connect.NewRequest(&pb.MoveRequest{Url: url}))
	if err != nil {
		s.breaker.tell(outer, word(err))
		return nil, s.unmoved(ctx, err)
	}
	defer stream.Close() //nolint:errcheck // what was received counts
	heard := false
	for stream.Receive() {
		if !heard {
			heard = true
			s.breaker.tell(outer, true)
		}
		watch.Reset(FeedSilence)
		m := stream.Msg()
		if m.GetStep() == "" {
			continue // a sign of life
		}
		last = &MoveStep{
			Step: m.GetStep(), Partition: int(m.GetPartition()), Copied: m.GetCopied(), Lag: m.GetLag(), Missing: m.GetMissing(),
			Generation: m.GetGeneration(), WritePause: time.Duration(m.GetWritePause()),
		}
		progress(*last)
	}
	err = stream.Err()
	if !heard {
		s.breaker.tell(outer, word(err))
	}
	switch {
	case err != nil:
		return last, s.unmoved(ctx, err)
	case last == nil || last.Step != "done":
		return last, mainstem.Errorf(mainstem.Undecided, "the server ended the move without its last word")
	}
	return last, nil
}

// unmoved is why a move ended without its last word. A message that says "commit" can be
// lost.
func (s *server) unmoved(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errTimeout) {
		err = fmt.Errorf("server %s gave no sign of life for %s: %w", s.address, FeedSilence, errTimeout)
	}
	return unanswered(err)
}
