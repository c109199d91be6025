package webhook_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/outbox"
	"github.com/mainstemdb/mainstem/pg"
	"github.com/mainstemdb/mainstem/pg/webhook"
)

func TestMain(m *testing.M) { outbox.Main(m) }

// destination is a receiver on a real port, which can go and come back.
type destination struct {
	t      *testing.T
	addr   string
	server *httptest.Server
	secret string
	took   outbox.Arrivals

	mu       sync.Mutex
	requests int
	trouble  func(n int, m webhook.Message, w http.ResponseWriter, r *http.Request) (took, answered bool)
}

func newDestination(t *testing.T) *destination {
	d := &destination{t: t, secret: webhook.NewSecret(), addr: "127.0.0.1:0"}
	d.up()
	t.Cleanup(func() { d.server.Close() })
	return d
}

// up listens, at the address that it had before.
func (d *destination) up() {
	l, err := (&net.ListenConfig{}).Listen(d.t.Context(), "tcp", d.addr)
	if err != nil {
		d.t.Fatal(err)
	}
	d.addr = l.Addr().String()
	d.server = httptest.NewUnstartedServer(d)
	_ = d.server.Listener.Close()
	d.server.Listener = l
	d.server.Start()
}

// down ends it with every connection.
func (d *destination) down() {
	d.server.CloseClientConnections()
	d.server.Close()
}

// meet sets what a request meets; n counts them from 1.
func (d *destination) meet(trouble func(n int, m webhook.Message, w http.ResponseWriter, r *http.Request) (took, answered bool)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.trouble = trouble
}

func (d *destination) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.requests
}

func (d *destination) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	receiver, err := webhook.NewReceiver(d.secret)
	if err != nil {
		d.t.Error(err)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, webhook.LimitBody))
	if err != nil {
		return // the sender has gone
	}
	m, err := receiver.Verify(r.Header, body, time.Now())
	if err != nil {
		d.t.Errorf("a request that cannot be verified: %v", err)
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	d.mu.Lock()
	d.requests++
	n, trouble := d.requests, d.trouble
	d.mu.Unlock()
	took, answered := true, false
	if trouble != nil {
		took, answered = trouble(n, m, w, r)
	}
	if took {
		d.took.Add(outbox.Arrival{ID: m.ID, Stream: m.Event.Stream, Data: string(m.Event.Data)})
	}
	if !answered {
		w.WriteHeader(http.StatusNoContent)
	}
}

// sink sends to the destination.
func (d *destination) sink(change func(*webhook.Config)) *webhook.Sink {
	d.t.Helper()
	c := webhook.Config{URL: "http://" + d.addr + "/hook", Source: "shop", Secrets: []string{d.secret}}
	if change != nil {
		change(&c)
	}
	sink, err := webhook.New(c)
	if err != nil {
		d.t.Fatal(err)
	}
	return sink
}

// hangUp ends the connection without an answer.
func hangUp(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = conn.Close()
	}
}

// batch is events of one stream, as a relay gives them.
func batch(n int) []pg.Event {
	events := make([]pg.Event, n)
	for i := range events {
		events[i] = pg.Event{
			Position: mainstem.Position(i + 1), Stream: "a", Event: mainstem.Event{Type: "test.v1", Data: []byte("1")}, Made: time.Unix(1, 0),
		}
	}
	return events
}
