package demo

import (
	"bufio"
	"encoding/gob"
	"math/rand/v2"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
)

// listen is a holder that does with each connection what the test says.
func listen(t *testing.T, do func(net.Conn)) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			do(conn)
		}
	}()
	return socket
}

// TestCallsEnd: what was not sent is unavailable, what was sent and not
// answered is undecided, and neither waits.
func TestCallsEnd(t *testing.T) {
	dead := listen(t, func(conn net.Conn) { _ = conn.Close() })
	for name, c := range map[string]struct {
		socket string
		want   []mainstem.Code
	}{
		"nobody there":   {filepath.Join(t.TempDir(), "none"), []mainstem.Code{mainstem.Unavailable}},
		"closes at once": {dead, []mainstem.Code{mainstem.Unavailable, mainstem.Undecided}},
	} {
		line := client{socket: c.socket}
		began := time.Now()
		a := line.do(t.Context(), call{Kind: callBuy, Item: "x", ID: "y", Quantity: 1})
		if took := time.Since(began); took > Bound {
			t.Errorf("%s: took %s", name, took)
		}
		sound := false
		for _, code := range c.want {
			sound = sound || a.Code == code
		}
		if !sound || line.conn != nil {
			t.Errorf("%s: %+v, want one of %v and no connection left", name, a, c.want)
		}
	}
}

// TestCutOffIsUndecided: a call that was read and then cut off may have been
// run, and the next one begins with a new connection.
func TestCutOffIsUndecided(t *testing.T) {
	calls := 0
	socket := listen(t, func(conn net.Conn) {
		in, out := gob.NewDecoder(bufio.NewReader(conn)), gob.NewEncoder(conn)
		var q call
		if in.Decode(&q) == nil && calls > 0 {
			_ = out.Encode(answer{Left: q.Quantity})
		}
		calls++
		_ = conn.Close()
	})
	line := client{socket: socket}
	defer line.close()
	if a := line.do(t.Context(), call{Kind: callBuy, Quantity: 7}); a.Code != mainstem.Undecided {
		t.Errorf("cut off: %+v", a)
	}
	if a := line.do(t.Context(), call{Kind: callBuy, Quantity: 7}); a.Code != 0 || a.Left != 7 {
		t.Errorf("asked again: %+v", a)
	}
}

// TestPaceHoldsBack: what is planned after a kill waits for it.
func TestPaceHoldsBack(t *testing.T) {
	p := plan{orders: make([]Order, 100), kills: 3, length: 100 * time.Millisecond}
	w := newPace(p, rand.New(rand.NewPCG(1, 1)))
	w.start = time.Now().Add(-time.Hour) // everything is due
	if len(w.strike) != 3 {
		t.Fatalf("%d kills", len(w.strike))
	}
	passed := make(chan error)
	go func() { passed <- w.due(t.Context(), 99) }()
	for i := range w.strike {
		select {
		case err := <-passed:
			t.Fatalf("the last purchase began after %d of 3 kills (%v)", i, err)
		case <-time.After(5 * time.Millisecond):
		}
		if i > 0 && w.strike[i].moment < w.strike[i-1].moment {
			t.Error("kills are out of order")
		}
		close(w.strike[i].killed)
	}
	if err := <-passed; err != nil {
		t.Error(err)
	}
}
