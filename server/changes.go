package server

import (
	"context"
	"errors"
	"sync"
	"time"

	"connectrpc.com/connect"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/wire"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
)

// Changes passes a feed on. The client's window is the only buffer: a reader that
// is slow or away holds a place in the log and nothing else.
func (s service) Changes(ctx context.Context, r *connect.Request[pb.ChangesRequest], stream *connect.ServerStream[pb.ChangesResponse]) error {
	b, leave, err := s.call(ctx)
	if err != nil {
		return wire.Fail(err, mainstem.Unavailable)
	}
	leave() // a feed has no end that a draining server could wait for
	from, err := wire.ParseFrom(r.Msg)
	if err != nil {
		return wire.Fail(err, mainstem.Invalid)
	}
	if name := r.Msg.GetFollower(); name != "" {
		if err := (mainstem.Subscription{Follower: name}).Validate(); err != nil {
			return wire.Fail(err, mainstem.Invalid)
		}
		ctx = mainstem.WithFollower(ctx, name)
	}
	err = s.follow(ctx, b, from, stream.Send)
	if _, gone := errors.AsType[*connect.Error](err); gone || err == nil {
		return err // a client that is gone cannot be told
	}
	return wire.Fail(err, mainstem.Unavailable)
}

// pulse sends a sign of life whenever a feed has been silent for a while.
type pulse struct {
	mu     sync.Mutex // over what is written, which is one thing at a time
	timer  *time.Timer
	ending bool
}

func startPulse(beat func() error, failed context.CancelCauseFunc) *pulse {
	p := new(pulse)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = time.AfterFunc(Heartbeat, func() {
		if !p.mu.TryLock() {
			return // what is being written is a sign too, and begins the time anew
		}
		defer p.mu.Unlock()
		if p.ending {
			return
		}
		if err := beat(); err != nil {
			failed(err)
			return
		}
		p.timer.Reset(Heartbeat)
	})
	return p
}

// send writes a batch, which is a sign of life too.
func (p *pulse) send(write func() error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.timer.Reset(Heartbeat)
	return write()
}

// stop ends the signs: nothing is written afterwards.
func (p *pulse) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ending = true
	p.timer.Stop()
}
