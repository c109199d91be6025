package pgcluster_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/engine/postgres"
	"github.com/mainstemdb/mainstem/internal/pgserver"
	"github.com/mainstemdb/mainstem/internal/pgtest"
	"github.com/mainstemdb/mainstem/internal/proxy"
	"github.com/mainstemdb/mainstem/node"
	"github.com/mainstemdb/mainstem/pg"
)

var (
	server pgtest.Shared
	worlds atomic.Int64
)

// TestMain starts PostgreSQL once. It syncs, as the engine demands.
func TestMain(m *testing.M) { os.Exit(server.Main(m, "max_connections=200", "deadlock_timeout=100ms")) }

// world is a schema of package pg, one for a log, and a table of somebody's own.
type world struct {
	testing.TB
	pg    *pg.DB
	log   string // its schema
	table string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	n := worlds.Add(1)
	w := &world{TB: t, pg: &pg.DB{Schema: fmt.Sprintf("events_%d", n)}, log: fmt.Sprintf("log_%d", n), table: fmt.Sprintf("mine_%d", n)}
	config, err := pgxpool.ParseConfig(server.On(t).DSN())
	if err != nil {
		t.Fatal(err)
	}
	config.MaxConns = 32
	if w.pg.Pool, err = pgxpool.NewWithConfig(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.pg.Pool.Close)
	events, err := pg.Schema(w.pg.Schema, "")
	if err != nil {
		t.Fatal(err)
	}
	log, err := postgres.Schema(w.log, 1, "")
	if err != nil {
		t.Fatal(err)
	}
	w.sql(events)
	w.sql(log)
	w.sql("CREATE TABLE " + w.table + " (id text PRIMARY KEY, n bigint NOT NULL DEFAULT 0)")
	return w
}

func (w *world) sql(text string) {
	w.Helper()
	if _, err := w.pg.Pool.Exec(w.Context(), text, pgx.QueryExecModeSimpleProtocol); err != nil {
		w.Fatalf("%v\n%.300s", err, text)
	}
}

func (w *world) number(query string) (n int64) {
	w.Helper()
	if err := w.pg.Pool.QueryRow(w.Context(), query).Scan(&n); err != nil {
		w.Fatalf("%v\n%s", err, query)
	}
	return n
}

// node starts a node on the log, with a way of its own to the server.
func (w *world) node(name, url string) *embedded.DB {
	w.Helper()
	logs, err := postgres.Open(w.Context(), postgres.Config{URL: url, Schema: w.log})
	if err != nil {
		w.Fatal(err)
	}
	db, err := embedded.Open(w.Context(), w.TempDir(), embedded.Memory(16<<20), embedded.Cluster(logs, name, node.Shared{TakeOver: 5 * time.Millisecond}))
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		if err := db.Close(); err != nil {
			w.Errorf("closing node %s: %v", name, err)
		}
	})
	return db
}

// way is a proxy before the server, and how to connect through it.
func (w *world) way() (*proxy.Proxy, string) {
	w.Helper()
	p, err := proxy.To(server.On(w).Addr())
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		if err := p.Close(); err != nil {
			w.Error(err)
		}
	})
	dsn, err := pgserver.DSN(p.Addr())
	if err != nil {
		w.Fatal(err)
	}
	return p, dsn
}

func (w *world) connect(dsn string) (*pgx.Conn, error) {
	conn, err := pgx.Connect(w.Context(), dsn)
	if err == nil {
		w.Cleanup(func() { _ = conn.Close(context.Background()) })
	}
	return conn, err
}

// stage appends one event of the data to a stream.
func (w *world) stage(stream, data string) error {
	return pgx.BeginFunc(w.Context(), w.pg.Pool, func(tx pgx.Tx) error {
		return pg.Append(pg.By(w.Context(), mainstem.Meta{Actor: "anna", Request: "r-" + data}), w.pg.In(tx), stream, mainstem.Event{Type: "made", Data: []byte(data)})
	})
}

// begin begins a transaction that ends with the test, at the latest.
func (w *world) begin(options pgx.TxOptions) pgx.Tx {
	w.Helper()
	tx, err := w.pg.Pool.BeginTx(w.Context(), options)
	w.must(err)
	w.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	return tx
}

// run is stage in a request, which names the table of its event.
func (w *world) run(stream, data string) error {
	_, err := w.pg.Run(w.Context(), pg.Request{Key: pg.Key(stream, data)}, func(ctx context.Context, tx pgx.Tx) ([]byte, error) {
		return nil, pg.Append(ctx, tx, stream, mainstem.Event{Type: "made", Data: []byte(data)})
	})
	return err
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// wants fails unless err has the code, and says the text.
func wants(t *testing.T, err error, code mainstem.Code, text string) {
	t.Helper()
	if mainstem.CodeOf(err) != code || err == nil || !strings.Contains(err.Error(), text) {
		t.Fatalf("error %v has code %v, want %v and %q", err, mainstem.CodeOf(err), code, text)
	}
}
