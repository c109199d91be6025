package proxy_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mainstemdb/mainstem/internal/proxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo is a server that gives back what it gets, and a proxy before it.
func echo(t *testing.T) *proxy.Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c) // how it ends is what the tests are about
			}()
		}
	}()
	p, err := proxy.To(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(p.Close(), l.Close()); err != nil {
			t.Error(err)
		}
	})
	return p
}

// dial is a connection through the proxy that has been used.
func dial(t *testing.T, p *proxy.Proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if got, err := say(c, "hello"); got != "hello" || err != nil {
		t.Fatalf("the first word comes back as %q, %v", got, err)
	}
	return c
}

// say sends a word, and returns as much of it as comes back.
func say(c net.Conn, word string) (string, error) {
	if _, err := io.WriteString(c, word); err != nil {
		return "", err
	}
	back := make([]byte, len(word))
	n, err := io.ReadFull(c, back)
	return string(back[:n]), err
}

func TestCutInTheMiddle(t *testing.T) {
	for d, want := range map[proxy.Direction]string{proxy.ToServer: "", proxy.ToClient: "abc"} {
		p := echo(t)
		c, other := dial(t, p), dial(t, p)
		before := p.Passed(d)
		p.CutAfter(d, 3)
		got, err := say(c, "abcdef")
		// What the server gives back of a part may be cut off with the connection.
		if err == nil || d == proxy.ToClient && got != want || len(got) > 3 {
			t.Errorf("direction %d: %q came back, %v", d, got, err)
		}
		if n := p.Passed(d) - before; n != 3 {
			t.Errorf("direction %d: %d bytes went", d, n)
		}
		if _, err := say(other, "x"); err == nil {
			t.Error("the other connection goes on")
		}
		dial(t, p) // a cut is once
	}
}

func TestPauseHoldsBack(t *testing.T) {
	p := echo(t)
	c := dial(t, p)
	p.Pause()
	fresh, err := net.Dial("tcp", p.Addr()) // as a stopped machine's kernel does
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.Close()
	before := p.Passed(proxy.ToServer)
	if err := c.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	var late net.Error
	if got, err := say(c, "held"); !errors.As(err, &late) || !late.Timeout() {
		t.Errorf("during the pause %q came back, %v", got, err)
	}
	if p.Passed(proxy.ToServer) != before {
		t.Error("something went through a pause")
	}
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	p.Resume()
	back := make([]byte, 4)
	if _, err := io.ReadFull(c, back); err != nil || string(back) != "held" {
		t.Errorf("after the pause %q came back, %v", back, err)
	}
	p.Pause() // Close, in the cleanup, ends a pause
	if _, err := io.WriteString(c, "x"); err != nil {
		t.Error(err)
	}
}

func TestSlow(t *testing.T) {
	p := echo(t)
	c := dial(t, p)
	p.Slow(1, time.Millisecond)
	began := time.Now()
	if got, err := say(c, "twenty bytes of text"); got != "twenty bytes of text" || err != nil {
		t.Errorf("%q came back, %v", got, err)
	}
	if took := time.Since(began); took < 19*time.Millisecond {
		t.Errorf("20 bytes took %s", took)
	}
}

func TestBreakAndReset(t *testing.T) {
	p := echo(t)
	c := dial(t, p)
	p.Break()
	if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("after a break: %d bytes, %v", n, err)
	}
	c = dial(t, p)
	p.Reset()
	if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after a reset: %d bytes, %v", n, err)
	}
}

func TestLoss(t *testing.T) {
	for how, arrives := range map[proxy.Loss]bool{proxy.LoseIt: false, proxy.LoseAnswer: true} {
		p := echo(t)
		c := dial(t, p)
		p.LoseOnce("word", how)
		before := p.Passed(proxy.ToServer)
		if got, err := say(c, "a word"); err == nil {
			t.Errorf("loss %d: %q came back", how, got)
		}
		if arrived := p.Passed(proxy.ToServer) > before; arrived != arrives {
			t.Errorf("loss %d: it arrived %t", how, arrived)
		}
		if got, err := say(dial(t, p), "a word"); got != "a word" || err != nil {
			t.Errorf("loss %d was not once: %q, %v", how, got, err)
		}
	}
}

// TestNothingIsChanged: without a fault a proxy is a wire.
func TestNothingIsChanged(t *testing.T) {
	c := dial(t, echo(t))
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<14)
	go func() { _, _ = c.Write(sent) }() // the reader tells
	back := make([]byte, len(sent))
	if _, err := io.ReadFull(c, back); err != nil || !bytes.Equal(sent, back) {
		t.Errorf("256 KiB came back changed, %v", err)
	}
}
