package postgres_test

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem/engine/postgres"
	"github.com/mainstemdb/mainstem/internal/pgserver"
	"github.com/mainstemdb/mainstem/internal/pgtest"
	"github.com/mainstemdb/mainstem/journal"
)

var (
	server  pgtest.Shared
	schemas atomic.Int64
)

// TestMain starts PostgreSQL once. It syncs, as this engine demands.
func TestMain(m *testing.M) { os.Exit(server.Main(m, "max_connections=100", "deadlock_timeout=100ms")) }

func running(t *testing.T) *pgserver.Server {
	t.Helper()
	return server.On(t)
}

// install makes an empty log on a server.
func install(t *testing.T, on *pgserver.Server, partitions int) postgres.Config {
	t.Helper()
	c := postgres.Config{URL: on.DSN(), Schema: fmt.Sprintf("log_%d", schemas.Add(1))}
	sql, err := postgres.Schema(c.Schema, partitions, "")
	if err != nil {
		t.Fatal(err)
	}
	run(t, on, sql)
	return c
}

// connect is a connection of the owner of everything, until the test ends.
func connect(t *testing.T, on *pgserver.Server) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), on.DSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// run runs SQL as the owner of everything.
func run(t *testing.T, on *pgserver.Server, sql string) {
	t.Helper()
	conn := connect(t, on)
	if _, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatalf("%v\n%.400s", err, sql)
	}
}

func open(t *testing.T, c postgres.Config) *journal.Database {
	t.Helper()
	d, err := postgres.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeAll(t, d) })
	return d
}

func closeAll(t *testing.T, d *journal.Database) {
	t.Helper()
	for _, l := range d.Logs {
		if err := l.Close(); err != nil {
			t.Errorf("closing a log: %v", err)
		}
	}
}
