package remote

import (
	"context"

	"connectrpc.com/connect"

	"github.com/mainstemdb/mainstem/internal/traceparent"
)

// traced names the caller's span to the server, as W3C Trace Context has it. A
// transaction goes with others on a stream that is nobody's, and carries it itself.
type traced struct{}

func (traced) set(ctx context.Context, h interface{ Set(name, value string) }) {
	if line := traceparent.Of(ctx); line != "" {
		h.Set(traceparent.Header, line)
	}
}

// WrapUnary is for requests of one message.
func (t traced) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, r connect.AnyRequest) (connect.AnyResponse, error) {
		t.set(ctx, r.Header())
		return next(ctx, r)
	}
}

// WrapStreamingClient is for streams.
func (t traced) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		conn := next(ctx, spec)
		t.set(ctx, conn.RequestHeader())
		return conn
	}
}

// WrapStreamingHandler is for servers, which this is not.
func (traced) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}
