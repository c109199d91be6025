package server

import (
	"context"
	"errors"
	"io"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/wire"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
)

// Read opens a view, asks it, and releases it.
func (s service) Read(ctx context.Context, r *connect.Request[pb.ReadRequest]) (*connect.Response[pb.ReadResponse], error) {
	b, leave, err := s.call(ctx)
	if err != nil {
		return nil, wire.Fail(err, mainstem.Unavailable)
	}
	defer leave()
	view, opened, err := s.open(ctx, b, r.Msg)
	if err != nil {
		return nil, wire.Fail(err, mainstem.Unavailable)
	}
	defer s.release(view)
	return connect.NewResponse(opened), nil
}

// View holds a view for as long as the stream lasts.
func (s service) View(ctx context.Context, stream *connect.BidiStream[pb.ViewRequest, pb.ViewResponse]) error {
	b, leave, err := s.call(ctx)
	if err != nil {
		return wire.Fail(err, mainstem.Unavailable)
	}
	defer leave()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	asked := s.listen(ctx, stream.Receive)
	defer asked.idle.Stop()
	first, err := asked.next()
	if err != nil {
		return ended(err)
	}
	if first.GetOpen() == nil {
		return wire.Fail(mainstem.Errorf(mainstem.Invalid, "the first message of a view opens it"), mainstem.Invalid)
	}
	view, opened, err := s.open(ctx, b, first.GetOpen())
	if err != nil {
		return wire.Fail(err, mainstem.Unavailable)
	}
	defer s.release(view)
	if err := stream.Send(&pb.ViewResponse{Message: &pb.ViewResponse_Opened{Opened: opened}}); err != nil {
		return err
	}
	v := &held{Snapshot: view, group: first.GetOpen().GetGroup()}
	for {
		m, err := asked.next()
		if err != nil {
			return ended(err)
		}
		if err := stream.Send(v.answer(ctx, m)); err != nil {
			return err
		}
	}
}

// questions are what the client of a view sends.
type questions struct {
	ctx     context.Context
	leaving context.Context // of the server
	idle    *time.Timer
	come    chan question
}

type question struct {
	m   *pb.ViewRequest
	err error
}

// listen takes questions in until one is an error, or ctx ends.
func (s *Server) listen(ctx context.Context, receive func() (*pb.ViewRequest, error)) *questions {
	q := &questions{ctx: ctx, leaving: s.leaving, idle: time.NewTimer(ViewIdle), come: make(chan question)}
	go func() {
		for {
			m, err := receive()
			select {
			case q.come <- question{m, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return q
}

// next waits for a question until the client has no more, is silent for too long,
// or the server leaves.
func (q *questions) next() (*pb.ViewRequest, error) {
	q.idle.Reset(ViewIdle)
	select {
	case one := <-q.come:
		return one.m, one.err
	case <-q.ctx.Done(): // the client is gone, and perhaps its last message with it
		return nil, q.ctx.Err()
	case <-q.idle.C:
		return nil, wire.Fail(mainstem.Errorf(mainstem.Unavailable, "this view was not asked anything for %s and was released", ViewIdle), mainstem.Unavailable)
	case <-q.leaving.Done():
		return nil, wire.Fail(errLeaving, mainstem.Unavailable)
	}
}

// held is a view and the group that its questions are about.
type held struct {
	mainstem.Snapshot
	group string
}

func (v *held) answer(ctx context.Context, m *pb.ViewRequest) *pb.ViewResponse {
	q, err := wire.ParseQuery(m.GetQuery(), v.group)
	if err == nil {
		var a mainstem.Answer
		if a, err = v.Read(ctx, q); err == nil {
			return &pb.ViewResponse{Message: &pb.ViewResponse_Answer{Answer: wire.Answer(a)}}
		}
	}
	return &pb.ViewResponse{Message: &pb.ViewResponse_Error{Error: wire.Error(err, mainstem.Unavailable)}}
}

// ended is how a stream of questions ended.
func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// open opens a view and asks it what the request has to ask.
func (s *Server) open(ctx context.Context, b mainstem.Backend, m *pb.ReadRequest) (_ mainstem.Snapshot, _ *pb.ReadResponse, err error) {
	if n := len(m.GetQueries()); n > LimitQueries {
		return nil, nil, mainstem.Errorf(mainstem.TooLarge, "%d questions; the limit is %d", n, LimitQueries)
	}
	request, err := wire.ParseViewRequest(m)
	if err != nil {
		return nil, nil, err
	}
	if err := s.views.take(1); err != nil {
		return nil, nil, err
	}
	view, err := b.View(ctx, request)
	if err != nil {
		s.views.free(1)
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			s.release(view)
		}
	}()
	size, opened := 0, &pb.ReadResponse{Stamp: wire.Stamp(view.Stamp()), Known: wire.Receipt(view.Known(), nil)}
	for i, one := range m.GetQueries() {
		q, err := wire.ParseQuery(one, m.GetGroup())
		if err != nil {
			return nil, nil, err
		}
		a, err := view.Read(ctx, q)
		if err != nil {
			return nil, nil, err
		}
		answer := wire.Answer(a)
		if size += proto.Size(answer); size > LimitAnswers {
			return nil, nil, mainstem.Errorf(mainstem.TooLarge, "the answers to %d of %d questions have %d bytes; the limit is %d", i+1, len(m.GetQueries()), size, LimitAnswers)
		}
		opened.Answers = append(opened.Answers, answer)
	}
	return view, opened, nil
}

// release gives a view back. It was only read: what closing it could say is of no
// use to anybody.
func (s *Server) release(view mainstem.Snapshot) {
	_ = view.Close()
	s.views.free(1)
}
