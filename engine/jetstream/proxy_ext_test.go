package jetstream_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/mainstemdb/mainstem/engine/jetstream"
)

// frame is one message of the NATS protocol, of a client or of a server.
type frame struct {
	op     string // PUB, HPUB, MSG, HMSG
	names  string // subject, then the subscription of a MSG, then the reply subject if there is one
	header []byte
	body   []byte
}

// subject is where the message goes.
func (f *frame) subject() string {
	subject, _, _ := strings.Cut(f.names, " ")
	return subject
}

// publishes is true of a message that is published to a log.
func (f *frame) publishes() bool {
	return f.op == "HPUB" && strings.HasPrefix(f.subject(), "mainstem.")
}

// acknowledges is true of the answer to one.
func (f *frame) acknowledges() bool {
	return bytes.Contains(f.body, []byte(`"stream":"mainstem-`)) && len(f.body) < 200
}

func (f *frame) writeTo(w io.Writer) error {
	line := f.op + " " + f.names
	if f.header != nil {
		line += " " + strconv.Itoa(len(f.header))
	}
	line += " " + strconv.Itoa(len(f.header)+len(f.body)) + "\r\n"
	_, err := w.Write(bytes.Join([][]byte{[]byte(line), f.header, f.body, []byte("\r\n")}, nil))
	return err
}

// proxy stands before a NATS server and does what networks do, message by message.
type proxy struct {
	listener net.Listener
	target   string
	tasks    sync.WaitGroup

	mu       sync.Mutex
	pairs    map[*pair]bool
	down     bool                    // new connections are refused
	up, back func(f *frame) []*frame // what becomes of a message to the server, and from it; nil keeps it
}

// pair is a client's connection and the one to the server.
type pair struct {
	client, server net.Conn
	upward         sync.Mutex // one writer to the server at a time
}

func (c *pair) close() {
	_ = c.client.Close()
	_ = c.server.Close()
}

func newProxy(t *testing.T, n *node) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, target: n.addr(), pairs: map[*pair]bool{}}
	p.tasks.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.cut()
		p.tasks.Wait()
	})
	return p
}

// dial is a connection of a log through the proxy, and through it alone.
func (p *proxy) dial(t *testing.T) *nats.Conn {
	t.Helper()
	conn, err := jetstream.Dial("nats://"+p.listener.Addr().String(), nats.IgnoreDiscoveredServers(),
		nats.ReconnectWait(5e6), nats.ReconnectJitter(0, 0), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

// treat says what becomes of messages from now on.
func (p *proxy) treat(up, back func(f *frame) []*frame) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.up, p.back = up, back
}

// cut ends every connection that is open now.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.pairs {
		c.close()
	}
}

// disconnect cuts, and lets nobody in while down is true.
func (p *proxy) disconnect(down bool) {
	p.mu.Lock()
	p.down = down
	p.mu.Unlock()
	if down {
		p.cut()
	}
}

// release sends a message that was held back to the server, over any connection.
func (p *proxy) release(f *frame) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.pairs {
		c.upward.Lock()
		defer c.upward.Unlock()
		return f.writeTo(c.server)
	}
	return io.ErrClosedPipe
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		down := p.down
		p.mu.Unlock()
		if down {
			_ = client.Close()
			continue
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		c := &pair{client: client, server: server}
		p.mu.Lock()
		p.pairs[c] = true
		p.mu.Unlock()
		p.tasks.Go(func() { p.pump(c, c.client, c.server, true) })
		p.tasks.Go(func() { p.pump(c, c.server, c.client, false) })
	}
}

// pump hands on what comes from one side, until either side ends.
func (p *proxy) pump(c *pair, from io.Reader, to io.Writer, up bool) {
	defer func() {
		c.close()
		p.mu.Lock()
		delete(p.pairs, c)
		p.mu.Unlock()
	}()
	r := bufio.NewReaderSize(from, 64<<10)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		f, err := readFrame(line, r)
		if err != nil {
			return
		}
		if err := p.hand(c, line, f, to, up); err != nil {
			return
		}
	}
}

func (p *proxy) hand(c *pair, line string, f *frame, to io.Writer, up bool) error {
	p.mu.Lock()
	treat := p.back
	if up {
		treat = p.up
	}
	p.mu.Unlock()
	frames := []*frame{f}
	if f != nil && treat != nil {
		frames = treat(f)
	}
	if up {
		c.upward.Lock()
		defer c.upward.Unlock()
	}
	if f == nil {
		_, err := io.WriteString(to, line)
		return err
	}
	for _, f := range frames {
		if err := f.writeTo(to); err != nil {
			return err
		}
	}
	return nil
}

// readFrame reads the rest of a message; nil for a line without one.
func readFrame(line string, r io.Reader) (*frame, error) {
	words := strings.Fields(line)
	if len(words) == 0 {
		return nil, nil
	}
	f, sizes := &frame{op: strings.ToUpper(words[0])}, 1
	switch f.op {
	case "HPUB", "HMSG":
		sizes = 2
	case "PUB", "MSG":
	default:
		return nil, nil
	}
	if len(words) < 2+sizes {
		return nil, fmt.Errorf("a line of %d words: %q", len(words), line)
	}
	f.names = strings.Join(words[1:len(words)-sizes], " ")
	total, err := strconv.Atoi(words[len(words)-1])
	if err != nil {
		return nil, err
	}
	all := make([]byte, total+2)
	if _, err := io.ReadFull(r, all); err != nil {
		return nil, err
	}
	f.body = all[:total]
	if sizes == 2 {
		n, err := strconv.Atoi(words[len(words)-2])
		if err != nil {
			return nil, err
		}
		f.header, f.body = all[:n], all[n:total]
	}
	return f, nil
}
