package jetstream_test

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/mainstemdb/mainstem/internal/outbox"
	"github.com/mainstemdb/mainstem/internal/proxy"
	sinks "github.com/mainstemdb/mainstem/pg/jetstream"
)

func TestMain(m *testing.M) { outbox.Main(m) }

// broker is a NATS server on files, which can go and come back.
type broker struct {
	t      *testing.T
	server *server.Server
	port   int
	dir    string
}

func newBroker(t *testing.T) *broker {
	b := &broker{t: t, port: server.RANDOM_PORT, dir: t.TempDir()}
	b.up()
	t.Cleanup(func() { b.down() })
	return b
}

// up starts the server on its files; each message is on the disk before it is
// acknowledged.
func (b *broker) up() {
	b.t.Helper()
	s, err := server.NewServer(&server.Options{
		ServerName: "test", Host: "127.0.0.1", Port: b.port, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: b.dir, SyncAlways: true, MaxPayload: 1 << 20,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(20 * time.Second) {
		b.t.Fatal("the NATS server does not take connections")
	}
	b.server = s
	_, port, err := net.SplitHostPort(b.addr())
	if err != nil {
		b.t.Fatal(err)
	}
	if b.port, err = strconv.Atoi(port); err != nil {
		b.t.Fatal(err)
	}
}

func (b *broker) down() {
	b.server.Shutdown()
	b.server.WaitForShutdown()
}

func (b *broker) addr() string {
	b.t.Helper()
	u, err := url.Parse(b.server.ClientURL())
	if err != nil {
		b.t.Fatal(err)
	}
	return u.Host
}

// proxy stands before the server.
func (b *broker) proxy() *proxy.Proxy {
	b.t.Helper()
	p, err := proxy.To(b.addr())
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = p.Close() })
	return p
}

// connect comes back whenever it can.
func (b *broker) connect(addr string) *nats.Conn {
	b.t.Helper()
	conn, err := nats.Connect("nats://"+addr, nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond), nats.ReconnectJitter(0, 0), nats.IgnoreDiscoveredServers())
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(conn.Close)
	return conn
}

// stream makes the stream EVENTS, with a window in which copies are known.
func (b *broker) stream(window time.Duration, change func(*jetstream.StreamConfig)) jetstream.Stream {
	b.t.Helper()
	js, err := jetstream.New(b.connect(b.addr()))
	if err != nil {
		b.t.Fatal(err)
	}
	c := jetstream.StreamConfig{Name: "EVENTS", Subjects: []string{"shop.>"}, Storage: jetstream.FileStorage, Duplicates: window}
	if change != nil {
		change(&c)
	}
	s, err := js.CreateOrUpdateStream(b.t.Context(), c)
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// sink publishes over a connection.
func (b *broker) sink(conn *nats.Conn, change func(*sinks.Config)) *sinks.Sink {
	b.t.Helper()
	c := sinks.Config{Conn: conn, Stream: "EVENTS", Prefix: "shop", Source: "s1", Timeout: 2 * time.Second}
	if change != nil {
		change(&c)
	}
	sink, err := sinks.New(c)
	if err != nil {
		b.t.Fatal(err)
	}
	return sink
}

// stored is everything that the stream holds, in its order.
func stored(t *testing.T, s jetstream.Stream) *outbox.Arrivals {
	t.Helper()
	info, err := s.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := &outbox.Arrivals{}
	for n := info.State.FirstSeq; n <= info.State.LastSeq && info.State.Msgs > 0; n++ {
		m, err := s.GetMsg(t.Context(), n)
		if err != nil {
			t.Fatal(fmt.Errorf("message %d of %d: %w", n, info.State.LastSeq, err))
		}
		name, err := url.PathUnescape(m.Header.Get("ce-subject"))
		if err != nil {
			t.Fatal(err)
		}
		if m.Subject != sinks.Subject("shop", name) {
			t.Errorf("an event of %s is on %s", name, m.Subject)
		}
		all.Add(outbox.Arrival{ID: m.Header.Get("ce-id"), Stream: name, Data: string(m.Data)})
	}
	return all
}

// probe makes a stream with the same window, to see when it is over.
func (b *broker) probe() {
	b.t.Helper()
	b.stream(window, func(c *jetstream.StreamConfig) { c.Name, c.Subjects = "PROBE", []string{"probe.>"} })
}
