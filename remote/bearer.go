package remote

import (
	"context"
	"net/http"

	"connectrpc.com/connect"

	"github.com/mainstemdb/mainstem"
)

// bearer puts the token into each request (RFC 6750, section 2.1).
type bearer struct{ token func() (string, error) }

func (b bearer) set(h http.Header) error {
	if b.token == nil {
		return nil
	}
	line, err := b.line()
	if err != nil {
		return err
	}
	h.Set(authorization, line)
	return nil
}

const authorization = "Authorization"

func (b bearer) line() (string, error) {
	token, err := b.token()
	if err != nil {
		return "", mainstem.Errorf(mainstem.Denied, "no token for the server: %w", err)
	}
	return "Bearer " + token, nil
}

// changed reports whether a request would now carry another token than that of h.
func (b bearer) changed(h http.Header) bool {
	if b.token == nil {
		return false
	}
	line, err := b.line()
	return err == nil && line != h.Get(authorization)
}

// outdated reports whether the lane was opened with a token that has been replaced
// since; then it ends once what it has is answered, and the next one has the new token.
func (l *lane) outdated() bool {
	if !l.bearer.changed(l.stream.RequestHeader()) {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leaving = true
	l.knock()
	return true
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

func (u unsent) Send(any) error       { return u.err }
func (u unsent) Receive(any) error    { return u.err }
func (u unsent) CloseRequest() error  { return nil } // the stream's own would begin the request
func (u unsent) CloseResponse() error { return nil }
