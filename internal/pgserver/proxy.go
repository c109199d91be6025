package pgserver

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// Proxy stands between clients and a server's port, and does what networks do.
type Proxy struct {
	listener net.Listener
	target   string
	tasks    sync.WaitGroup

	mu    sync.Mutex
	pairs map[*pair]bool
	lose  func(sent []byte) Loss
}

// Loss is what becomes of a message from a client.
type Loss int

// What can become of it.
const (
	Keep       Loss = iota
	LoseIt          // the connection breaks before it reaches the server
	LoseAnswer      // it reaches the server, and then the connection breaks
)

// pair is a client's connection and the one to the server.
type pair struct {
	client, server net.Conn
	deaf           bool // nothing more of the server's reaches the client
	answered       chan struct{}
}

// NewProxy begins to listen on a port of the loopback interface.
func NewProxy(s *Server) (*Proxy, error) { return ProxyTo(s.Addr()) }

// ProxyTo stands before any server of which host and port are given.
func ProxyTo(addr string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: l, target: addr, pairs: map[*pair]bool{}}
	p.tasks.Go(p.accept)
	return p, nil
}

// Addr is host and port of the proxy.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// DSN is how to connect through the proxy to PostgreSQL.
func (p *Proxy) DSN() string {
	host, port, err := net.SplitHostPort(p.Addr())
	if err != nil {
		return err.Error()
	}
	return "host=" + host + " port=" + port + " user=" + user + " dbname=postgres sslmode=disable"
}

// Lose asks fn about every message from a client, from now on; nil keeps all.
func (p *Proxy) Lose(fn func(sent []byte) Loss) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lose = fn
}

// LoseOnce loses the next message that contains a word.
func (p *Proxy) LoseOnce(word string, how Loss) {
	var once sync.Once
	p.Lose(func(sent []byte) (loss Loss) {
		if bytes.Contains(sent, []byte(word)) {
			once.Do(func() { loss = how })
		}
		return loss
	})
}

// Break ends every connection that is open now.
func (p *Proxy) Break() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for pair := range p.pairs {
		pair.close()
	}
}

// Close ends the proxy and every connection.
func (p *Proxy) Close() error {
	err := p.listener.Close()
	p.Break()
	p.tasks.Wait()
	return err
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.tasks.Go(func() { p.serve(client) })
	}
}

func (p *Proxy) serve(client net.Conn) {
	dialer := net.Dialer{Timeout: 5 * time.Second}
	server, err := dialer.DialContext(context.Background(), "tcp", p.target)
	if err != nil {
		_ = client.Close()
		return
	}
	c := &pair{client: client, server: server, answered: make(chan struct{})}
	p.mu.Lock()
	p.pairs[c] = true
	p.mu.Unlock()
	p.tasks.Go(func() { p.answers(c) })
	p.requests(c)
	p.mu.Lock()
	delete(p.pairs, c)
	p.mu.Unlock()
}

// requests hands on what the client sends.
func (p *Proxy) requests(c *pair) {
	defer c.close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := c.client.Read(buffer)
		if err != nil {
			return
		}
		p.mu.Lock()
		lose := p.lose
		p.mu.Unlock()
		loss := Keep
		if lose != nil {
			loss = lose(buffer[:n])
		}
		switch loss {
		case LoseIt:
			return
		case LoseAnswer:
			p.mu.Lock()
			c.deaf = true
			p.mu.Unlock()
			if _, err := c.server.Write(buffer[:n]); err == nil {
				<-c.answered // then it has done what it was asked
			}
			return
		}
		if _, err := c.server.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// answers hands back what the server sends.
func (p *Proxy) answers(c *pair) {
	defer c.close()
	defer close(c.answered)
	buffer := make([]byte, 64<<10)
	for {
		n, err := c.server.Read(buffer)
		if err != nil {
			return
		}
		p.mu.Lock()
		deaf := c.deaf
		p.mu.Unlock()
		if deaf {
			return
		}
		if _, err := c.client.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (c *pair) close() {
	// An error says that it is closed already.
	_ = errors.Join(c.client.Close(), c.server.Close())
}
