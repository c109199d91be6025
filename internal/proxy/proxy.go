// Package proxy stands between the clients of a test and its server, and does what
// networks do: it loses, cuts, resets, pauses and slows, on command.
package proxy

import (
	"bytes"
	"context"
	"net"
	"sync"
	"time"
)

// Proxy is a port before another.
type Proxy struct {
	listener net.Listener
	target   string
	tasks    sync.WaitGroup

	mu     sync.Mutex
	moved  sync.Cond // paused or a pair has changed
	pairs  map[*pair]bool
	lose   func(sent []byte) Loss
	paused bool
	piece  int // bytes, with every: at most so many at a time
	every  time.Duration
	left   [2]int // bytes until the cut, by Direction; below 0 for none
	passed [2]int
}

// Loss is what becomes of a message from a client.
type Loss int

// What can become of it.
const (
	Keep       Loss = iota
	LoseIt          // the connection breaks before it reaches the server
	LoseAnswer      // it reaches the server, and then the connection breaks
)

// Direction is a way through the proxy.
type Direction int

// The ways.
const (
	ToServer Direction = iota
	ToClient
)

// To begins to listen before the server of which host and port are given.
func To(addr string) (*Proxy, error) { return At("127.0.0.1:0", addr) }

// At is To at an address of the caller's choice.
func At(listen, addr string) (*Proxy, error) {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: l, target: addr, pairs: map[*pair]bool{}, left: [2]int{-1, -1}}
	p.moved.L = &p.mu
	p.tasks.Go(p.accept)
	return p, nil
}

// Addr is host and port of the proxy.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

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

// Pause lets nothing through until Resume, as before a machine that has stopped:
// connections stay, and new ones are made.
func (p *Proxy) Pause() { p.set(func() { p.paused = true }) }

// Resume ends Pause; what was held back arrives.
func (p *Proxy) Resume() { p.set(func() { p.paused = false }) }

// Slow hands on at most so many bytes at a time in each direction of a
// connection, and then pauses; 0 bytes is as fast as it can.
func (p *Proxy) Slow(bytes int, pause time.Duration) {
	p.set(func() { p.piece, p.every = bytes, pause })
}

// CutAfter ends every connection, once, when so many more bytes have gone in a
// direction: in the middle of whatever that is.
func (p *Proxy) CutAfter(d Direction, bytes int) { p.set(func() { p.left[d] = bytes }) }

// Passed is how many bytes have gone in a direction.
func (p *Proxy) Passed(d Direction) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.passed[d]
}

// Break ends every connection that is open now.
func (p *Proxy) Break() {
	p.set(func() {
		for c := range p.pairs {
			c.close()
		}
	})
}

// Reset ends every connection that is open now as a machine does that knows
// nothing of it.
func (p *Proxy) Reset() {
	p.set(func() {
		for c := range p.pairs {
			c.client.reset()
			c.server.reset()
			c.close()
		}
	})
}

// Close ends the proxy and every connection.
func (p *Proxy) Close() error {
	err := p.listener.Close()
	p.Break()
	p.tasks.Wait()
	return err
}

func (p *Proxy) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	p.moved.Broadcast()
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
	c := &pair{client: end{client}, server: end{server}, ended: make(chan struct{}), answered: make(chan struct{})}
	p.set(func() { p.pairs[c] = true })
	p.tasks.Go(func() {
		defer close(c.answered)
		p.answers(c)
	})
	p.requests(c)
	p.set(func() { delete(p.pairs, c) })
}

// requests hands on what the client sends.
func (p *Proxy) requests(c *pair) {
	defer p.set(c.close)
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
			p.set(func() { c.deaf = true })
			if p.hand(c, ToServer, buffer[:n]) {
				<-c.answered // then it has done what it was asked
			}
			return
		}
		if !p.hand(c, ToServer, buffer[:n]) {
			return
		}
	}
}

// answers hands back what the server sends.
func (p *Proxy) answers(c *pair) {
	defer p.set(c.close)
	buffer := make([]byte, 64<<10)
	for {
		n, err := c.server.Read(buffer)
		if err != nil {
			return
		}
		p.mu.Lock()
		deaf := c.deaf
		p.mu.Unlock()
		if deaf || !p.hand(c, ToClient, buffer[:n]) {
			return
		}
	}
}

// hand hands bytes on, and says whether the connection is still there.
func (p *Proxy) hand(c *pair, d Direction, b []byte) bool {
	to := c.server
	if d == ToClient {
		to = c.client
	}
	for len(b) > 0 {
		n, pause, cut := p.allow(c, d, len(b))
		if n > 0 {
			if _, err := to.Write(b[:n]); err != nil {
				return false
			}
		}
		if cut {
			p.Break()
			return false
		}
		if b = b[n:]; pause > 0 && len(b) > 0 {
			timer := time.NewTimer(pause)
			select {
			case <-timer.C:
			case <-c.ended:
				timer.Stop()
				return false
			}
		}
	}
	return true
}

// allow says how many of so many bytes may go now, and how to go on.
func (p *Proxy) allow(c *pair, d Direction, n int) (may int, pause time.Duration, cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.paused && !c.closed {
		p.moved.Wait()
	}
	if p.piece > 0 && n > p.piece {
		n, pause = p.piece, p.every
	}
	if left := p.left[d]; left >= 0 {
		n = min(n, left)
		if p.left[d] -= n; p.left[d] == 0 {
			p.left[d], cut = -1, true
		}
	}
	p.passed[d] += n
	return n, pause, cut
}
