package server

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"connectrpc.com/connect"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/traceparent"
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
	var receipt *mainstem.Receipt
	err = s.alone(ctx, func() (err error) {
		receipt, err = b.Commit(below(ctx, t), t)
		return err
	})
	if err != nil {
		return nil, wire.Fail(err, mainstem.Undecided)
	}
	return connect.NewResponse(&pb.CommitResponse{Receipt: wire.Receipt(receipt, t.Operations)}), nil
}

// alone runs a transaction that comes as a call of its own.
func (s *Server) alone(ctx context.Context, run func() error) (err error) {
	if !s.single.take() {
		return errNoPlace
	}
	began := time.Now()
	defer s.single.free()
	done := make(chan struct{})
	s.single.run(ctx, func(inTime bool) {
		defer close(done)
		err = run()
		s.single.took(time.Since(began), inTime)
	})
	<-done // a ctx that ends, ends it
	return err
}

// below is ctx below the span that a transaction names. One that names none takes
// that of its request into the record.
func below(ctx context.Context, t *mainstem.Transaction) context.Context {
	if t.Meta.Trace != "" {
		return traceparent.Into(ctx, t.Meta.Trace)
	}
	if line := traceparent.Of(ctx); len(t.Meta.Actor)+len(t.Meta.Request)+len(line) <= mainstem.LimitMeta {
		t.Meta.Trace = line
	}
	return ctx
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
	d := &desk{server: s.Server, backend: b, under: s.commits.open()}
	defer d.under.close()
	d.send = func(m *pb.SubmitResponse) {
		d.sending.Lock()
		defer d.sending.Unlock()
		if err := stream.Send(m); err != nil {
			cancel(err) // nobody hears the answers
		}
	}
	received := make(chan error, 1)
	go func() { received <- d.receive(ctx, stream.Receive) }()
	select {
	case err = <-received:
	case <-s.leaving.Done():
		// What is on its way is refused, and what runs is answered, so that nobody is
		// left with a riddle; the client ends the stream.
		d.send(&pb.SubmitResponse{Leaving: true})
		err = <-received
	}
	d.close()
	return err
}

// desk takes the transactions of one stream in and hands the answers out. Who
// sends and does not read answers is no longer read from: the one that reads also sends
// the refusal of a whole message.
type desk struct {
	server  *Server
	backend mainstem.Backend
	under   *share
	sending sync.Mutex
	send    func(*pb.SubmitResponse)

	mu     sync.Mutex
	owed   sync.WaitGroup // answers
	closed bool
}

// receive begins what comes until the client has sent everything.
func (d *desk) receive(ctx context.Context, next func() (*pb.SubmitRequest, error)) error {
	for {
		m, err := next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		all := m.GetSubmissions()
		refused, open := d.begin(ctx, all)
		if !open {
			return nil
		}
		pause(ctx, d.server.leaving, d.under.rest(refused, len(all)))
	}
}

// begin runs the transactions of one message, or refuses them at once, and counts
// those. It reports false once the desk is closed: then nobody is answered any more.
func (d *desk) begin(ctx context.Context, all []*pb.Submission) (refused int, open bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return 0, false
	}
	d.owed.Add(len(all))
	p, counted := newPage(len(all), d.send, d.leave), d.server.counted[CallTransaction]
	began := time.Now()
	var refusals []*pb.Outcome
	// Why something is refused, and what is told: the same to many, to cost little.
	var why error
	var code mainstem.Code
	var told *pb.Outcome_Error
	for _, m := range all {
		counted.begin()
		if err := d.admit(); err != nil {
			if err != why {
				why, code, told = err, mainstem.CodeOf(err), &pb.Outcome_Error{Error: wire.Error(err, mainstem.Unavailable)}
			}
			counted.end(code)
			refusals = append(refusals, &pb.Outcome{Number: m.GetNumber(), Outcome: told})
			continue
		}
		d.start(ctx, m, p, began)
	}
	p.refuse(refusals)
	return len(refusals), true
}

// start runs one transaction, that came at some time, and puts its answer on a page.
func (d *desk) start(ctx context.Context, m *pb.Submission, p *page, came time.Time) {
	cancel := func() {}
	if m.GetTimeout() > 0 {
		ctx, cancel = context.WithDeadline(ctx, came.Add(time.Duration(m.GetTimeout())))
	}
	d.under.run(ctx, func(inTime bool) {
		defer cancel()
		o := d.run(ctx, m)
		d.under.took(time.Since(came), inTime)
		d.server.counted[CallTransaction].end(outcomeOf(o))
		p.put(o)
	})
}

// admit gives one transaction a place.
func (d *desk) admit() error {
	if !d.under.take() {
		return errNoPlace
	}
	if err := d.server.enter(); err != nil {
		d.under.free()
		return err
	}
	return nil
}

// leave ends transactions whose answers were sent. Until then a server that drains
// waits for them, and so does the stream, on which nothing may be sent afterwards.
func (d *desk) leave(answers, ran int) {
	for range ran {
		d.server.calls.Done()
		d.under.free()
	}
	d.owed.Add(-answers)
}

// close waits for every answer.
func (d *desk) close() {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.owed.Wait()
}

// run runs one transaction.
func (d *desk) run(ctx context.Context, m *pb.Submission) *pb.Outcome {
	t, err := wire.ParseTransaction(m.GetTransaction())
	if err != nil {
		return failed(m.GetNumber(), err, mainstem.Invalid)
	}
	receipt, err := d.backend.Commit(below(ctx, t), t)
	if err != nil {
		return failed(m.GetNumber(), err, mainstem.Undecided)
	}
	return &pb.Outcome{Number: m.GetNumber(), Outcome: &pb.Outcome_Receipt{Receipt: wire.ShortReceipt(receipt, t.Operations)}}
}

func failed(number uint64, err error, fallback mainstem.Code) *pb.Outcome {
	return &pb.Outcome{Number: number, Outcome: &pb.Outcome_Error{Error: wire.Error(err, fallback)}}
}
