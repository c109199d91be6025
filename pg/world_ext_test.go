package pg_test

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
	"github.com/mainstemdb/mainstem/internal/pgserver"
	"github.com/mainstemdb/mainstem/internal/pgtest"
	"github.com/mainstemdb/mainstem/pg"
)

// server is shared by all tests that do it no harm; each has its own schema.
var (
	server  pgtest.Shared
	schemas atomic.Int64
)

// TestMain starts PostgreSQL once.
func TestMain(m *testing.M) { os.Exit(server.Main(m, settings...)) }

// settings are PostgreSQL's own but for sizes; fsync would cost time and decides
// nothing here, where processes die and machines do not.
var settings = []string{"fsync=off", "deadlock_timeout=100ms", "max_connections=120", "max_wal_senders=4"}

// open makes a schema of the test's own.
func open(t *testing.T) *pg.DB {
	t.Helper()
	return openOn(t, running(t), nil)
}

func running(t *testing.T) *pgserver.Server {
	t.Helper()
	return server.On(t)
}

// openOn makes a schema on a server, with a pool set as the test likes.
func openOn(t *testing.T, on *pgserver.Server, set func(*pgxpool.Config)) *pg.DB {
	t.Helper()
	config, err := pgxpool.ParseConfig(on.DSN())
	if err != nil {
		t.Fatal(err)
	}
	config.MaxConns = 16
	if set != nil {
		set(config)
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	db := &pg.DB{Pool: pool, Schema: fmt.Sprintf("t%d", schemas.Add(1))}
	install(t, db, "")
	run(t, db, `CREATE TABLE `+db.Schema+`.effect (name text NOT NULL)`)
	return db
}

func install(t *testing.T, db *pg.DB, role string) {
	t.Helper()
	sql, err := pg.Schema(db.Schema, role)
	if err != nil {
		t.Fatal(err)
	}
	run(t, db, sql)
}

// run runs SQL by the simple protocol, several statements at once.
func run(t *testing.T, db *pg.DB, sql string) {
	t.Helper()
	sql = strings.ReplaceAll(sql, "$S", db.Schema)
	if _, err := db.Pool.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatalf("%v\n%.400s", err, sql)
	}
}

// number asks for one number.
func number(t *testing.T, db *pg.DB, sql string, args ...any) (n int64) {
	t.Helper()
	if err := db.Pool.QueryRow(t.Context(), strings.ReplaceAll(sql, "$S", db.Schema), args...).Scan(&n); err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
	return n
}

// begin opens a transaction that the test ends, at the latest at its end.
func begin(t *testing.T, db *pg.DB, level pgx.TxIsoLevel) pgx.Tx {
	t.Helper()
	tx, err := db.Pool.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: level})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	return tx
}

func commit(t *testing.T, tx pgx.Tx) {
	t.Helper()
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// effect is what a request's function does to the world: a row.
func effect(t *testing.T, db *pg.DB, tx pg.Tx, name string) {
	t.Helper()
	if _, err := tx.Exec(t.Context(), "INSERT INTO "+db.Schema+".effect VALUES ($1::text)", name); err != nil {
		t.Error(err)
	}
}

func effects(t *testing.T, db *pg.DB, name string) int64 {
	t.Helper()
	return number(t, db, "SELECT count(*) FROM $S.effect WHERE name = $1", name)
}

// wantCode fails unless err has the code; 0 means no error.
func wantCode(t *testing.T, err error, want mainstem.Code) {
	t.Helper()
	if got := mainstem.CodeOf(err); got != want || (err == nil) != (want == 0) {
		t.Fatalf("error %v has code %v, want %v", err, got, want)
	}
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline, tick := time.After(20*time.Second), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
