package server

import (
	"context"
	"sync"
	"time"

	"connectrpc.com/connect"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/wire"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
	"github.com/mainstemdb/mainstem/proto/mainstem/v1/mainstemv1connect"
)

// MoveEvery is the least time between two messages of a move that is at one step.
const MoveEvery = 200 * time.Millisecond

// Mover moves the database to the log at a URL, while it serves, and tells how far it
// is. It returns the last message, which says "done".
type Mover func(ctx context.Context, url string, tell func(*pb.MoveResponse)) (*pb.MoveResponse, error)

// Operations are what operators ask of a database.
type Operations struct {
	Move    Mover
	Members func() []*pb.Member
	Forget  func(ctx context.Context, node string) error
}

// Admin offers AdminService to whom permit lets: nil, or why not. Without it there is
// no such service.
func Admin(permit func(context.Context) error, can Operations) Option {
	return option(func(s *Server) { s.admin = &admin{Server: s, permit: permit, can: can} })
}

// admin is the service of operators.
type admin struct {
	*Server
	permit func(context.Context) error
	can    Operations
}

// mount adds the service to those of the server, if it is offered.
func (a *admin) mount() {
	if a == nil {
		return
	}
	a.mux.Handle(mainstemv1connect.NewAdminServiceHandler(a, connect.WithReadMaxBytes(LimitMessage), connect.WithCodec(readable{}), connect.WithCodec(packed{}), connect.WithInterceptors(a.interceptors...)))
}

// Move moves the database. A client that goes ends what can still be given up.
func (a *admin) Move(ctx context.Context, r *connect.Request[pb.MoveRequest], stream *connect.ServerStream[pb.MoveResponse]) error {
	if err := a.begin(ctx); err != nil {
		return err
	}
	defer a.calls.Done()
	// A server that leaves gives up what can still be given up.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(a.leaving, cancel)()
	ctx, gone := context.WithCancelCause(ctx)
	defer gone(nil)
	out := &steps{stream: stream}
	out.pulse = startPulse(func() error { return stream.Send(&pb.MoveResponse{}) }, gone)
	defer out.pulse.stop()
	done, err := a.can.Move(ctx, r.Msg.GetUrl(), out.tell)
	if err != nil {
		return wire.Fail(err, mainstem.Unavailable)
	}
	return out.pulse.send(func() error { return stream.Send(done) })
}

// begin begins a call of somebody who may make it.
func (a *admin) begin(ctx context.Context) error {
	if err := a.permit(ctx); err != nil {
		return wire.Fail(err, mainstem.Denied)
	}
	if err := a.enter(); err != nil {
		return wire.Fail(err, mainstem.Unavailable)
	}
	return nil
}

// Members lists the nodes.
func (a *admin) Members(ctx context.Context, _ *connect.Request[pb.MembersRequest]) (*connect.Response[pb.MembersResponse], error) {
	if err := a.begin(ctx); err != nil {
		return nil, err
	}
	defer a.calls.Done()
	return connect.NewResponse(&pb.MembersResponse{Members: a.can.Members()}), nil
}

// Forget takes a node out of them.
func (a *admin) Forget(ctx context.Context, r *connect.Request[pb.ForgetRequest]) (*connect.Response[pb.ForgetResponse], error) {
	if err := a.begin(ctx); err != nil {
		return nil, err
	}
	defer a.calls.Done()
	if err := a.can.Forget(ctx, r.Msg.GetNode()); err != nil {
		return nil, wire.Fail(err, mainstem.Undecided)
	}
	return connect.NewResponse(&pb.ForgetResponse{}), nil
}

// steps sends messages of a move, those of one step now and then.
type steps struct {
	stream *connect.ServerStream[pb.MoveResponse]
	pulse  *pulse
	mu     sync.Mutex
	last   string
	sent   time.Time
}

func (s *steps) tell(m *pb.MoveResponse) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.GetStep() == s.last && time.Since(s.sent) < MoveEvery {
		return
	}
	s.last, s.sent = m.GetStep(), time.Now()
	_ = s.pulse.send(func() error { return s.stream.Send(m) }) // a client that is gone ends the call
}
