package server

import (
	"io"
	"net/http"
	"time"
)

// Limits of the connections below a Server (L10).
const (
	// LimitHeader is the most bytes of a request's headers.
	LimitHeader = 32 << 10
	// LimitStreams is the most requests under way on one HTTP/2 connection;
	// further ones wait at the client.
	LimitStreams = 1024
	// HeaderTimeout bounds the arrival of a request's headers, and of the
	// handshake before them; BodyTimeout that of the body of a request that is
	// one message.
	HeaderTimeout = 5 * time.Second
	BodyTimeout   = 20 * time.Second
	// AnswerTimeout is how long a client may take over up to 64 KiB of an answer that
	// waits to be written. A feed's reader may take as long as it likes.
	AnswerTimeout = 20 * time.Second
	// PartTimeout is how long a feed's reader may take over what waits to be written
	// once the server leaves.
	PartTimeout = time.Second
	// PingAfter is the silence of a connection after which the server asks whether
	// the client is still there; PingTimeout how long the answer may take, and a
	// blocked write make no progress.
	PingAfter   = 15 * time.Second
	PingTimeout = 15 * time.Second
	// IdleTimeout is how long a connection without requests is kept.
	IdleTimeout = 5 * time.Minute
)

// HTTP is an http.Server for handler, which is a Server or something before
// one, with HTTP/1.1 and HTTP/2, encrypted or not, and the limits above. Serve or
// ServeTLS of it begin.
func HTTP(handler http.Handler) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler: timely(handler), Protocols: protocols,
		ReadHeaderTimeout: HeaderTimeout, IdleTimeout: IdleTimeout, MaxHeaderBytes: LimitHeader,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: LimitStreams, SendPingTimeout: PingAfter, PingTimeout: PingTimeout, WriteByteTimeout: PingTimeout,
			MaxReceiveBufferPerConnection: 4 << 20, MaxReceiveBufferPerStream: 1 << 20,
		},
	}
}

// conversations are the calls whose clients go on sending for as long as they like.
var conversations = map[string]bool{
	"/" + serviceName + "/Submit": true,
	"/" + serviceName + "/View":   true,
}

// feeds are the answers that wait for their reader in the log, and hold nothing.
var feeds = map[string]bool{
	"/" + serviceName + "/Changes": true,
	"/" + serviceName + "/Follow":  true,
	"/feed":                        true,
}

// timely holds the body of every request that is one message to BodyTimeout, and what
// is answered, but for feeds, to AnswerTimeout.
func timely(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		if !conversations[r.URL.Path] && r.Body != http.NoBody {
			// Not every ResponseWriter has deadlines; the servers that HTTP makes do.
			if control.SetReadDeadline(time.Now().Add(BodyTimeout)) == nil {
				r.Body = &timedBody{ReadCloser: r.Body, control: control}
			}
		}
		if !feeds[r.URL.Path] {
			w = &timedAnswer{ResponseWriter: w, control: control}
		}
		next.ServeHTTP(w, r)
	})
}

// timedBody lifts the deadline once the body is there: the answer may take longer.
type timedBody struct {
	io.ReadCloser
	control *http.ResponseController
}

func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && b.control != nil {
		_ = b.control.SetReadDeadline(time.Time{}) // it could be set; so it can be lifted
		b.control = nil
	}
	return n, err
}
