package server

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

// Commit runs one transaction.
func (s service) Commit(ctx context.Context, r *connect.Request[pb.CommitRequest]) (*connect.Response[pb.CommitResponse], error) {
	b, leave, err := s.call(ctx)
	if err != nil {
		return nil, wire.Fail(err, mainstem.Unavailable)
	}
	defer leave()
	t, err := wire.ParseTransaction(r.Msg.GetTransaction())
	if err != nil {
		return nil, wire.Fail(err, mainstem.Invalid)
	}
	receipt, err := b.Commit(ctx, t)
	if err != nil {
		return nil, wire.Fail(err, mainstem.Undecided)
	}
	return connect.NewResponse(&pb.CommitResponse{Receipt: wire.Receipt(receipt, t.Operations)}), nil
}

// Submit runs what a client sends and answers as it comes.
func (s service) Submit(ctx context.Context, stream *connect.BidiStream[pb.SubmitRequest, pb.SubmitResponse]) error {
	b, leave, err := s.call(ctx)
	if err != nil {
		return wire.Fail(err, mainstem.Unavailable)
	}
	leave() // each transaction is a call; the stream itself would keep a draining server up
	if err := stream.Send(&pb.SubmitResponse{}); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	d := &desk{server: s.Server, backend: b, answers: newAnswers(LimitCommits)}
	var sending sync.WaitGroup
	sending.Go(func() {
		if err := d.answers.send(stream.Send); err != nil {
			cancel(err) // nobody hears the answers
		}
	})
	received := make(chan error, 1)
	go func() { received <- d.receive(ctx, stream.Receive) }()
	select {
	case err = <-received:
	case <-s.leaving.Done(): // what comes now is refused; what runs is answered
		err = wire.Fail(errLeaving, mainstem.Unavailable)
	}
	d.running.Wait()
	d.answers.close()
	sending.Wait()
	return err
}

// desk takes the transactions of one stream in and hands the answers out.
type desk struct {
	server  *Server
	backend mainstem.Backend
	answers *answers
	under   places
	running sync.WaitGroup
}

// receive begins what comes until the client has sent everything.
func (d *desk) receive(ctx context.Context, next func() (*pb.SubmitRequest, error)) error {
	d.under = places{most: LimitCommits, noun: "transactions of this stream"}
	for {
		m, err := next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		for _, one := range m.GetSubmissions() {
			if err := d.answers.room(ctx); err != nil {
				return err
			}
			d.begin(ctx, one)
		}
	}
}

// begin runs one transaction, or refuses it at once.
func (d *desk) begin(ctx context.Context, m *pb.Submission) {
	leave, err := d.server.enter()
	if err == nil {
		if err = d.under.take(); err != nil {
			leave()
		}
	}
	if err != nil {
		d.answers.put(failed(m.GetNumber(), err, mainstem.Unavailable))
		return
	}
	d.running.Go(func() {
		defer leave()
		defer d.under.free()
		d.answers.put(d.run(ctx, m))
	})
}

func (d *desk) run(ctx context.Context, m *pb.Submission) *pb.Outcome {
	t, err := wire.ParseTransaction(m.GetTransaction())
	if err != nil {
		return failed(m.GetNumber(), err, mainstem.Invalid)
	}
	if m.GetTimeout() > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(m.GetTimeout()))
		defer cancel()
	}
	receipt, err := d.backend.Commit(ctx, t)
	if err != nil {
		return failed(m.GetNumber(), err, mainstem.Undecided)
	}
	return &pb.Outcome{Number: m.GetNumber(), Outcome: &pb.Outcome_Receipt{Receipt: wire.Receipt(receipt, t.Operations)}}
}

func failed(number uint64, err error, fallback mainstem.Code) *pb.Outcome {
	return &pb.Outcome{Number: number, Outcome: &pb.Outcome_Error{Error: wire.Error(err, fallback)}}
}
