package remote

import (
	"context"
	"net"
)

// Pick prefers one of the servers, from 0, where chance would.
func Pick(server uint32) Option {
	return option(func(c *config) { c.pick = func(uint32) uint32 { return server } })
}

// Dial makes the connections another way, over a network in memory for example.
func Dial(dial func(ctx context.Context, network, address string) (net.Conn, error)) Option {
	return option(func(c *config) { c.dial = dial })
}
