package remote

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"connectrpc.com/connect"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/wire"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
)

// hedged opens a view on the preferred server and, if that is silent for a while,
// on the next one too, and takes the first that opens (Dean and Barroso, "The Tail
// at Scale", 2013). A view writes nothing, so asking twice is safe.
func (c *client) hedged(ctx context.Context, r mainstem.ViewRequest) (mainstem.Snapshot, error) {
	servers := c.turns()
	if c.zone != "" && r.At.Level == mainstem.LevelWithin {
		c.learnZones()
		servers = c.nearest()
	}
	if c.hedge == 0 || len(servers) == 1 {
		return c.view(ctx, r, servers)
	}
	type answer struct {
		s   mainstem.Snapshot
		err error
	}
	answers := make(chan answer, 2)
	ctx, cancel := context.WithCancel(ctx)
	ask := func(servers []*server) {
		s, err := c.view(ctx, r, servers)
		answers <- answer{s, err}
	}
	go ask(servers)
	later := time.NewTimer(c.hedge)
	defer later.Stop()
	asked, heard := 1, 0
	for {
		select {
		case <-later.C:
			asked++
			c.passOver(servers[0])
			go ask(servers[1:])
		case a := <-answers:
			if heard++; a.err != nil && heard < asked {
				continue // the other may still open
			}
			go func() { // the slower one, if there is one, is not wanted any more
				cancel()
				for ; heard < asked; heard++ {
					if late := <-answers; late.s != nil {
						_ = late.s.Close()
					}
				}
			}()
			return a.s, a.err
		}
	}
}

// view opens a view on the first of these servers that can.
func (c *client) view(ctx context.Context, r mainstem.ViewRequest, servers []*server) (s mainstem.Snapshot, err error) {
	err = c.among(servers, func(at *server) (bool, error) {
		opened, err := at.openView(ctx, r, c.timeout)
		if err != nil {
			return !elsewhere(err), err
		}
		s = opened
		return true, nil
	})
	return s, err
}

// snapshot is a view that a server holds open.
type snapshot struct {
	address string
	stream  *connect.BidiStreamForClient[pb.ViewRequest, pb.ViewResponse]
	cancel  func()
	timeout time.Duration
	known   *mainstem.Receipt
	stamp   mainstem.Stamp

	mu     sync.Mutex // one question at a time
	closed bool
}

// openView opens a view on this server. Its stream outlives ctx, which is only for
// the opening.
func (s *server) openView(ctx context.Context, r mainstem.ViewRequest, timeout time.Duration) (*snapshot, error) {
	if err := s.breaker.pass(s.address); err != nil {
		return nil, err
	}
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	detach := context.AfterFunc(s.life, cancel)
	end := func() { detach(); cancel() }
	v := &snapshot{address: s.address, stream: s.rpc.View(life), cancel: end, timeout: timeout}
	m, err := v.ask(ctx, &pb.ViewRequest{Message: &pb.ViewRequest_Open{Open: wire.ViewRequest(r)}})
	var broken *transportError
	s.breaker.tell(ctx, err == nil || ctx.Err() == nil && !errors.As(err, &broken) && !errors.Is(err, errTimeout))
	if err == nil {
		v.stamp, err = wire.ParseStamp(m.GetOpened().GetStamp())
	}
	if err == nil {
		v.known, err = wire.ParseReceipt(m.GetOpened().GetKnown())
	}
	if err != nil {
		end()
		return nil, err
	}
	return v, nil
}

// transportError marks a failure for which the server gave no reason itself.
type transportError struct{ cause error }

func (e *transportError) Error() string { return e.cause.Error() }
func (e *transportError) Unwrap() error { return e.cause }

// ask sends one message and waits for the answer. If that does not come in time,
// the view is lost: the next answer would be that to an older question.
func (v *snapshot) ask(ctx context.Context, m *pb.ViewRequest) (*pb.ViewResponse, error) {
	outer := ctx
	ctx, cancel := context.WithTimeout(ctx, v.timeout)
	defer cancel()
	stop := context.AfterFunc(ctx, v.cancel)
	defer stop()
	if err := v.stream.Send(m); err != nil && !errors.Is(err, io.EOF) {
		v.cancel() // or Receive would wait for an answer to nothing; at EOF the server has given it
	}
	answer, err := v.stream.Receive()
	if err == nil {
		return answer, nil
	}
	v.cancel()
	if outer.Err() != nil {
		return nil, mainstem.Errorf(mainstem.Cancelled, "waiting for %s: %w", v.address, context.Cause(outer))
	}
	if ctx.Err() != nil { // it is the server that takes too long, not the caller who gave up
		return nil, mainstem.Errorf(mainstem.Unavailable, "server %s did not answer for %s: %w", v.address, v.timeout, errTimeout)
	}
	if word(err) {
		return nil, unreached(v.address, err)
	}
	return nil, &mainstem.Error{
		Code: mainstem.Unavailable, Message: "no answer from server " + v.address + ": " + err.Error(), Cause: &transportError{err},
	}
}

// Read asks one question.
func (v *snapshot) Read(ctx context.Context, q mainstem.Query) (mainstem.Answer, error) {
	if err := q.Validate(); err != nil {
		return mainstem.Answer{}, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return mainstem.Answer{}, mainstem.Errorf(mainstem.Invalid, "this view is closed")
	}
	m, err := v.ask(ctx, &pb.ViewRequest{Message: &pb.ViewRequest_Query{Query: wire.Query(q)}})
	switch {
	case err != nil:
		return mainstem.Answer{}, err
	case m.GetError() != nil:
		return mainstem.Answer{}, wire.ParseError(m.GetError(), mainstem.Unavailable)
	default:
		return wire.ParseAnswer(m.GetAnswer())
	}
}

// Known is the first receipt of the ID that the view was opened with.
func (v *snapshot) Known() *mainstem.Receipt { return v.known }

// Stamp says where and when the view is frozen.
func (v *snapshot) Stamp() mainstem.Stamp { return v.stamp }

// Close releases the view. The server learns it by the end of the stream.
func (v *snapshot) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.closed {
		v.closed = true
		_ = v.stream.CloseRequest()  // the end of
		_ = v.stream.CloseResponse() // the stream is what counts
		v.cancel()
	}
	return nil
}
