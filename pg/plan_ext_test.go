package pg_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mainstemdb/mainstem/pg"
)

// TestNothingIsCompiled: the relay's statements take a millisecond, and compiling
// one takes fifty. The server itself says which of them it has compiled.
func TestNothingIsCompiled(t *testing.T) {
	var mu sync.Mutex
	var plans []string
	db := openOn(t, running(t), func(c *pgxpool.Config) {
		c.MaxConns = 1
		c.ConnConfig.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
			mu.Lock()
			defer mu.Unlock()
			plans = append(plans, n.Message)
		}
	})
	if number(t, db, "SELECT pg_jit_available()::int") == 0 {
		t.Skip("not run: this server cannot compile statements; Debian's can")
	}
	run(t, db, `LOAD 'auto_explain'; SET jit = on; SET auto_explain.log_min_duration = 0; SET auto_explain.log_nested_statements = on;
		SET auto_explain.log_analyze = on; SET auto_explain.log_level = notice`)
	put(t, db, "a1", "a2")
	number(t, db, "SELECT $S.pending()::int")
	number(t, db, "SELECT numbered FROM $S.drain(1)")
	number(t, db, "SELECT numbered FROM $S.drain(1)")
	if events, err := db.Events(t.Context(), 0, 10); err != nil || len(events) != 2 {
		t.Errorf("%d events, %v", len(events), err)
	}
	number(t, db, "SELECT $S.sweep(1)")
	if _, err := db.Clean(t.Context()); err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(plans) < 10 {
		t.Fatalf("the server told %d plans", len(plans))
	}
	for _, plan := range plans {
		if strings.Contains(plan, "JIT:") {
			t.Errorf("compiled:\n%s", plan)
		}
	}
}

// TestBacklogIsReadOnce: a batch out of a long backlog reads the rows that it
// gives, not all that are left.
func TestBacklogIsReadOnce(t *testing.T) {
	db := open(t)
	run(t, db, "INSERT INTO "+db.Schema+".event (stream, type, data) SELECT 's', 't', '' FROM generate_series(1, 10000)")
	number(t, db, "SELECT numbered FROM $S.drain(1)")
	// A table of ten thousand rows is small; dear random reads have the planner think
	// of it as it does of hundreds of thousands.
	for _, cost := range []string{"4", "1000"} {
		tx := begin(t, db, pgx.RepeatableRead)
		if _, err := tx.Exec(t.Context(), "SET LOCAL random_page_cost = "+cost); err != nil {
			t.Fatal(err)
		}
		var given int64
		before := rowsRead(t, db, tx)
		if err := tx.QueryRow(t.Context(), "SELECT count(*) FROM "+db.Schema+".events(500, 10)").Scan(&given); err != nil {
			t.Fatal(err)
		}
		read := rowsRead(t, db, tx) - before
		if given != 10 || read > 3*given {
			t.Errorf("with random_page_cost %s, %d events were given, and %d rows read", cost, given, read)
		}
		commit(t, tx)
	}
}

// rowsRead is how many rows of events and positions the session has read lately, by
// its own count.
func rowsRead(t *testing.T, db *pg.DB, tx pgx.Tx) (n int64) {
	t.Helper()
	err := tx.QueryRow(t.Context(), `SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_xact_user_tables
		WHERE schemaname = $1 AND relname ~ '^(numbered|event)'`, db.Schema).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestPlansOfSmallTablesAreOutgrown: a session that has planned its drains while
// there was little reads no more than what is new when there is much, also beside
// transactions that stay open.
func TestPlansOfSmallTablesAreOutgrown(t *testing.T) {
	db := open(t)
	relay := openOn(t, running(t), func(c *pgxpool.Config) { c.MaxConns = 1 })
	relay.Schema = db.Schema
	var open []pgx.Tx
	for range 4 {
		tx := begin(t, db, pgx.ReadCommitted)
		appendEvent(t, db, tx, "s", "open")
		open = append(open, tx)
	}
	for range 10 { // beyond the executions after which a plan is kept
		put(t, db, "a1")
		number(t, relay, "SELECT $S.pending()::int")
		number(t, relay, "SELECT numbered FROM $S.drain(1)")
	}
	run(t, db, "INSERT INTO "+db.Schema+".event (stream, type, data) SELECT 's', 't', '' FROM generate_series(1, 10000)")
	number(t, relay, "SELECT numbered FROM $S.drain(1)")
	put(t, db, "a1")
	commit(t, open[0])
	tx := begin(t, relay, pgx.ReadCommitted)
	var pending bool
	var numbered int64
	before := rowsRead(t, db, tx)
	ask := func(to any, sql string) {
		t.Helper()
		if err := tx.QueryRow(t.Context(), strings.ReplaceAll(sql, "$S", db.Schema)).Scan(to); err != nil {
			t.Fatal(err)
		}
	}
	ask(&pending, "SELECT $S.pending()")
	ask(&numbered, "SELECT numbered FROM $S.drain(1)")
	read := rowsRead(t, db, tx) - before
	if !pending || numbered != 2 || read > 50 {
		t.Errorf("pending %t; %d events were numbered, and %d rows read", pending, numbered, read)
	}
	commit(t, tx)
}

// TestAppendLooksAtOneStream: a session that has planned its appends while no stream
// had versions reads none of thousands that have, but its own.
func TestAppendLooksAtOneStream(t *testing.T) {
	db := open(t)
	one := openOn(t, running(t), func(c *pgxpool.Config) { c.MaxConns = 1 })
	one.Schema = db.Schema
	for range 10 { // beyond the executions after which a plan is kept
		put(t, one, "a1")
	}
	run(t, db, "INSERT INTO $S.stream SELECT 's' || n, 1 FROM generate_series(1, 10000) n")
	tx := begin(t, one, pgx.ReadCommitted)
	appendEvent(t, db, tx, "a", "2")
	var read int64
	err := tx.QueryRow(t.Context(), `SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables
		WHERE schemaname = $1 AND relname = 'stream'`, db.Schema).Scan(&read)
	if wantCode(t, err, 0); read > 1 {
		t.Errorf("an append read %d streams", read)
	}
}
