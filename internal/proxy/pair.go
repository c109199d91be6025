package proxy

import (
	"errors"
	"net"
)

// pair is a client's connection and the one to the server.
type pair struct {
	client, server end
	answered       chan struct{} // closed when nothing more of the server's comes

	// The rest is guarded by the proxy.
	closed bool
	ended  chan struct{} // closed with it
	deaf   bool          // nothing more of the server's reaches the client
}

// close ends both connections; it may be called again.
func (c *pair) close() {
	if c.closed {
		return
	}
	c.closed = true
	close(c.ended)
	// An error says that it is closed already.
	_ = errors.Join(c.client.Close(), c.server.Close())
}

// end is one of both connections.
type end struct{ net.Conn }

// reset makes closing it tell the other side nothing but that it is gone.
func (e end) reset() {
	if tcp, ok := e.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // an error says that it is closed already
	}
}
