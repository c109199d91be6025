// Package pipe is a network in memory. In a bubble of testing/synctest nobody can
// wait for a real connection; over this one servers and clients meet there, and
// their timeouts pass at once.
package pipe

import (
	"context"
	"net"
	"sync"
)

// Net is a network with one address on it. It is a net.Listener.
type Net struct {
	dialed chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// New makes a network on which nobody listens yet.
func New() *Net { return &Net{dialed: make(chan net.Conn), closed: make(chan struct{})} }

// Dial connects to the one that listens, and waits until it accepts.
func (n *Net) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case n.dialed <- there:
		return here, nil
	case <-n.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Accept waits for the next connection.
func (n *Net) Accept() (net.Conn, error) {
	select {
	case c := <-n.dialed:
		return c, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and Dial; connections stay.
func (n *Net) Close() error {
	n.once.Do(func() { close(n.closed) })
	return nil
}

// Addr names the network.
func (n *Net) Addr() net.Addr { return address{} }

type address struct{}

func (address) Network() string { return "pipe" }
func (address) String() string  { return "pipe" }
