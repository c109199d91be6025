package server

import (
	"context"
	"errors"
	"io"
	"time"

	"connectrpc.com/connect"

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
	first, err := stream.Receive()
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
	return s.hold(ctx, stream, &held{Snapshot: view, group: first.GetOpen().GetGroup()})
}

// held is a view and the group that its questions are about.
type held struct {
	mainstem.Snapshot
	group string
}

// hold answers questions until the client has no more, is silent for too long, or
// the server leaves.
func (s service) hold(ctx context.Context, stream *connect.BidiStream[pb.ViewRequest, pb.ViewResponse], v *held) error {
	type question struct {
		m   *pb.ViewRequest
		err error
	}
	questions := make(chan question)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		for {
			m, err := stream.Receive()
			select {
			case questions <- question{m, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	idle := time.NewTimer(ViewIdle)
	defer idle.Stop()
	for {
		select {
		case q := <-questions:
			if q.err != nil {
				return ended(q.err)
			}
			if err := stream.Send(v.answer(ctx, q.m)); err != nil {
				return err
			}
			idle.Reset(ViewIdle)
		case <-ctx.Done(): // the client is gone, and perhaps its last message with it
			return ctx.Err()
		case <-idle.C:
			return wire.Fail(mainstem.Errorf(mainstem.Unavailable, "this view was not asked anything for %s and was released", ViewIdle), mainstem.Unavailable)
		case <-s.leaving.Done():
			return wire.Fail(errLeaving, mainstem.Unavailable)
		}
	}
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
	if err := s.views.take(); err != nil {
		return nil, nil, err
	}
	view, err := b.View(ctx, request)
	if err != nil {
		s.views.free()
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			s.release(view)
		}
	}()
	opened := &pb.ReadResponse{Stamp: wire.Stamp(view.Stamp()), Known: wire.Receipt(view.Known(), nil)}
	for _, one := range m.GetQueries() {
		q, err := wire.ParseQuery(one, m.GetGroup())
		if err != nil {
			return nil, nil, err
		}
		a, err := view.Read(ctx, q)
		if err != nil {
			return nil, nil, err
		}
		opened.Answers = append(opened.Answers, wire.Answer(a))
	}
	return view, opened, nil
}

// release gives a view back. It was only read: what closing it could say is of no
// use to anybody.
func (s *Server) release(view mainstem.Snapshot) {
	_ = view.Close()
	s.views.free()
}
