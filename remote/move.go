package remote

import (
	"context"
	"time"

	"connectrpc.com/connect"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/wire"
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
// move may have been recorded; repeating it is safe. There is no time limit but ctx's.
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
	stream, err := s.admin.Move(ctx, connect.NewRequest(&pb.MoveRequest{Url: url}))
	if err != nil {
		return nil, wire.Failure(err, mainstem.Unavailable)
	}
	defer stream.Close() //nolint:errcheck // what was received counts
	for stream.Receive() {
		m := stream.Msg()
		last = &MoveStep{
			Step: m.GetStep(), Partition: int(m.GetPartition()), Copied: m.GetCopied(), Lag: m.GetLag(), Missing: m.GetMissing(),
			Generation: m.GetGeneration(), WritePause: time.Duration(m.GetWritePause()),
		}
		progress(*last)
	}
	switch err := stream.Err(); {
	case err != nil:
		return last, unanswered(err) // a message that says "commit" can be lost
	case last == nil || last.Step != "done":
		return last, mainstem.Errorf(mainstem.Undecided, "the server ended the move without its last word")
	}
	return last, nil
}
