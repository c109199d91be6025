package remote

import (
	"context"
	"net"
)

// Dial makes the connections another way, over a network in memory for example.
func Dial(dial func(ctx context.Context, network, address string) (net.Conn, error)) Option {
	return option(func(c *config) { c.dial = dial })
}
