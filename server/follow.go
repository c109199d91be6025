package server

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"connectrpc.com/connect"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/wire"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
)

// Follow hands out what a follower has not acknowledged, and what comes after that.
func (s service) Follow(ctx context.Context, r *connect.Request[pb.FollowRequest], stream *connect.ServerStream[pb.FollowResponse]) error {
	subscription, err := wire.ParseSubscription(r.Msg)
	if err != nil {
		return wire.Fail(err, mainstem.Invalid)
	}
	err = s.deliver(ctx, subscription, stream.Send)
	if _, gone := errors.AsType[*connect.Error](err); gone || err == nil {
		return err // a client that is gone cannot be told
	}
	return wire.Fail(err, mainstem.Unavailable)
}

// Acknowledge moves a follower's cursor. It is a transaction, among those that come as
// calls of their own.
func (s service) Acknowledge(ctx context.Context, r *connect.Request[pb.AcknowledgeRequest]) (*connect.Response[pb.AcknowledgeResponse], error) {
	b, leave, err := s.call(ctx)
	if err != nil {
		return nil, wire.Fail(err, mainstem.Unavailable)
	}
	defer leave()
	a, err := wire.ParseAcknowledgement(r.Msg)
	if err != nil {
		return nil, wire.Fail(err, mainstem.Invalid)
	}
	if err := s.alone(ctx, func() error { return mainstem.New(b).Acknowledge(ctx, a) }); err != nil {
		return nil, wire.Fail(err, mainstem.Undecided)
	}
	return connect.NewResponse(&pb.AcknowledgeResponse{}), nil
}

// deliver follows on behalf of a client until the client, the server or the follower
// ends. What a reader has in hand that does not read is cut off then.
func (s *Server) deliver(ctx context.Context, to mainstem.Subscription, send func(*pb.FollowResponse) error) error {
	b, leave, err := s.call(ctx)
	if err != nil {
		return err
	}
	defer leave() // a server that drains waits until the shards are given back
	if err := s.feeds.take(mainstem.FollowShards); err != nil {
		return err
	}
	defer s.feeds.free(mainstem.FollowShards)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.leaving, func() { cancel(errLeaving) })()
	write := func(m *pb.FollowResponse) error {
		defer partWhen(ctx, writerOf(ctx))()
		return send(m)
	}
	pulse := startPulse(func() error { return write(&pb.FollowResponse{Heartbeat: true}) }, cancel)
	defer pulse.stop()
	err = mainstem.New(b).Deliver(ctx, to, func(following context.Context, d mainstem.Delivery) error {
		defer context.AfterFunc(following, func() { cancel(context.Cause(following)) })()
		return pulse.send(func() error { return write(wire.Delivery(d)) })
	})
	if s.leaving.Err() != nil {
		return errLeaving
	}
	if ctx.Err() != nil && mainstem.CodeOf(err) == 0 {
		return nil // the client has gone
	}
	return err
}

// writerKey is the key of a feed's ResponseWriter in the context of its request.
type writerKey struct{}

func withWriter(ctx context.Context, w http.ResponseWriter) context.Context {
	return context.WithValue(ctx, writerKey{}, w)
}

func writerOf(ctx context.Context) http.ResponseWriter {
	w, _ := ctx.Value(writerKey{}).(http.ResponseWriter)
	return w
}

// partWhen ends what is written to a feed's reader who does not read, once ctx has
// ended. The function that it returns is called when w is the feed's no longer.
func partWhen(ctx context.Context, w http.ResponseWriter) (over func()) {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		// Not every ResponseWriter has deadlines; the servers that HTTP makes do.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(PartTimeout))
	})
	return func() {
		if !stop() {
			<-done
		}
	}
}

// followLines is Follow as lines of JSON: the last line of a batch has what
// acknowledges it.
func (s *Server) followLines(w http.ResponseWriter, r *http.Request, to mainstem.Subscription) error {
	out := &lines{to: w, control: http.NewResponseController(w)}
	err := s.deliver(r.Context(), to, func(m *pb.FollowResponse) error {
		if m.GetHeartbeat() {
			return out.write([]byte{'\n'})
		}
		acknowledge, err := marshal(m.GetAcknowledge())
		if err != nil {
			return err
		}
		return out.changes(m.GetChanges(), slices.Concat([]byte(`"lag":"`+strconv.FormatUint(m.GetLag(), 10)+`","acknowledge":`), acknowledge))
	})
	if err != nil && !out.broken {
		out.fail(err)
	}
	return err
}
