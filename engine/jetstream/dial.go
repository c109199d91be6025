package jetstream

import (
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// Dial makes a connection that logs can use. What it sets cannot be overridden
// by opts: nothing is kept while disconnected and sent later
// (ReconnectBufSize is -1), and it reconnects for as long as it is open, also where a
// server refuses its credentials.
func Dial(url string, opts ...nats.Option) (*nats.Conn, error) {
	opts = append([]nats.Option{
		nats.Name("mainstem"),
		nats.ReconnectWait(100 * time.Millisecond),
		nats.ReconnectJitter(100*time.Millisecond, 100*time.Millisecond),
		nats.PingInterval(2 * time.Second),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}), // each call hears of its own
	}, opts...)
	opts = append(opts, nats.MaxReconnects(-1), nats.IgnoreAuthErrorAbort(), nats.ReconnectBufSize(-1))
	conn, err := nats.Connect(url, opts...)
	if err != nil {
		return nil, fmt.Errorf("jetstream: connect to %s: %w", redacted(url), err)
	}
	return conn, nil
}
