// Package outbox is a PostgreSQL server with committed events and a relay, for
// tests of what the relay hands them on to.
package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/pgserver"
	"github.com/mainstemdb/mainstem/pg"
)

// server is shared by the tests of a package; each has its own schema.
var (
	server    *pgserver.Server
	errServer error
	schemas   atomic.Int64
)

// Main starts PostgreSQL once and runs a package's tests: what TestMain calls.
func Main(m *testing.M) {
	os.Exit(func() int {
		// Processes die in these tests, machines do not.
		server, errServer = pgserver.Start(context.Background(), pgserver.Config{Settings: []string{"fsync=off"}})
		if errServer == nil {
			defer func() {
				if err := server.Close(); err != nil {
					fmt.Fprintln(os.Stderr, "closing PostgreSQL:", err)
				}
			}()
		}
		return m.Run()
	}())
}

// Outbox is a schema of the test's own, with a relay that numbers.
type Outbox struct {
	t     *testing.T
	DB    *pg.DB
	Relay *pg.Relay
	Said  *Log // what the relay logs
}

// Open makes a schema and runs its relay until the test ends.
func Open(t *testing.T) *Outbox {
	t.Helper()
	switch {
	case errors.Is(errServer, pgserver.ErrMissing):
		t.Skip("not run: " + errServer.Error())
	case errServer != nil:
		t.Fatal(errServer)
	}
	pool, err := pgxpool.New(t.Context(), server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	db := &pg.DB{Pool: pool, Schema: fmt.Sprintf("t%d", schemas.Add(1))}
	sql, err := pg.Schema(db.Schema, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	said := &Log{}
	o := &Outbox{t: t, DB: db, Said: said, Relay: &pg.Relay{
		DB: db, Poll: 2 * time.Millisecond, TTL: time.Second, Logger: slog.New(slog.NewTextHandler(said, nil)),
	}}
	o.Background("relay", o.Relay.Run)
	return o
}

// Log keeps what is logged.
type Log struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// Count is how often something was logged.
func (l *Log) Count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), what)
}

// Background runs something until stop or the test's end; it must end well then.
func (o *Outbox) Background(what string, fn func(ctx context.Context) error) (stop func()) {
	o.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- fn(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			o.t.Errorf("%s: %v", what, err)
		}
	})
	o.t.Cleanup(stop)
	return stop
}

// Consume runs a consumer until stop or the test's end.
func (o *Outbox) Consume(c pg.Consumer) (stop func()) {
	o.t.Helper()
	return o.Background("consumer "+c.Name, func(ctx context.Context) error { return o.Relay.Consume(ctx, c) })
}

// Append commits events to a stream, whose data are the texts.
func (o *Outbox) Append(stream string, texts ...string) {
	o.t.Helper()
	events := make([]mainstem.Event, len(texts))
	for i, text := range texts {
		events[i] = mainstem.Event{Type: "test.v1", Data: []byte(text)}
	}
	by := pg.By(o.t.Context(), mainstem.Meta{Actor: "ann", Trace: "trace-1"})
	err := pgx.BeginFunc(o.t.Context(), o.DB.Pool, func(tx pgx.Tx) error {
		return pg.Append(by, pg.In(o.DB.Schema, tx), stream, events...)
	})
	if err != nil {
		o.t.Fatal(err)
	}
}

// Fill commits events 1 to n to each of so many streams, in turns, and gives the
// names of the streams.
func (o *Outbox) Fill(streams, n int) (names []string) {
	o.t.Helper()
	for s := range streams {
		names = append(names, fmt.Sprintf("order/%d", s))
	}
	for i := range n {
		for _, name := range names {
			o.Append(name, fmt.Sprint(i+1))
		}
	}
	return names
}

// At is where a consumer's cursor stands; 0 if it has none.
func (o *Outbox) At(consumer string) mainstem.Position {
	o.t.Helper()
	status, err := o.DB.Status(o.t.Context())
	if err != nil {
		o.t.Fatal(err)
	}
	for _, c := range status.Cursors {
		if c.Name == consumer {
			return c.Position
		}
	}
	return 0
}

// Done waits until a consumer's cursor is behind so many events.
func (o *Outbox) Done(consumer string, n int) {
	o.t.Helper()
	Eventually(o.t, fmt.Sprintf("%s is behind %d events", consumer, n), func() bool { return o.At(consumer) >= mainstem.Position(n) })
}

// Parked lists what a consumer has parked, as stream and data.
func (o *Outbox) Parked(consumer string) (list []string) {
	o.t.Helper()
	parked, err := o.DB.Parked(o.t.Context(), consumer)
	if err != nil {
		o.t.Fatal(err)
	}
	for _, p := range parked {
		list = append(list, p.Stream+" "+string(p.Data))
	}
	return list
}

// Eventually waits until something holds.
func Eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline, tick := time.After(60*time.Second), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
