package serving

import (
	"net"
	"sync/atomic"
)

// Listener is l with its connections counted, and what goes over them: with TLS,
// as it is on the wire.
func (m *Metrics) Listener(l net.Listener) net.Listener { return listener{l, m} }

type listener struct {
	net.Listener
	m *Metrics
}

// Accept counts a connection.
func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.m.connections.Add(1)
	return &connection{Conn: c, m: l.m}, nil
}

type connection struct {
	net.Conn
	m      *Metrics
	closed atomic.Bool
}

// Read counts what came.
func (c *connection) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.m.received.Add(uint64(n))
	return n, err
}

// Write counts what went.
func (c *connection) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.m.sent.Add(uint64(n))
	return n, err
}

// Close counts the end.
func (c *connection) Close() error {
	if !c.closed.Swap(true) {
		c.m.connections.Add(-1)
	}
	return c.Conn.Close()
}
