package remote

import (
	"context"

	"connectrpc.com/connect"

	"github.com/mainstemdb/mainstem"
)

// bearer puts the token into each request (RFC 6750, section 2.1).
type bearer struct{ token func() (string, error) }

func (b bearer) set(h interface{ Set(name, value string) }) error {
	if b.token == nil {
		return nil
	}
	token, err := b.token()
	if err != nil {
		return mainstem.Errorf(mainstem.Denied, "no token for the server: %w", err)
	}
	h.Set("Authorization", "Bearer "+token)
	return nil
}

// WrapUnary is for requests of one message.
func (b bearer) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, r connect.AnyRequest) (connect.AnyResponse, error) {
		if err := b.set(r.Header()); err != nil {
			return nil, err
		}
		return next(ctx, r)
	}
}

// WrapStreamingClient is for streams.
func (b bearer) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		conn := next(ctx, spec)
		if err := b.set(conn.RequestHeader()); err != nil {
			return unsent{StreamingClientConn: conn, err: err}
		}
		return conn
	}
}

// WrapStreamingHandler is for servers, which this is not.
func (b bearer) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}

// unsent is a stream for which there was no token: nothing is sent on it.
type unsent struct {
	connect.StreamingClientConn
	err error
}

func (u unsent) Send(any) error    { return u.err }
func (u unsent) Receive(any) error { return u.err }
