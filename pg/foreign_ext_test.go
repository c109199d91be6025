package pg_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mainstemdb/mainstem/internal/pgtest"
)

// TestForeignSnapshotSlowsNoStep: while somebody's transaction stays open, no version
// of a row is removed. A step looked at all that the relay's row, the cursor and the
// target's place had had meanwhile. The server says how many pages each statement
// touches: it may not matter how many steps there were.
func TestForeignSnapshotSlowsNoStep(t *testing.T) {
	db := openOn(t, running(t), func(c *pgxpool.Config) { c.MaxConns = 1 })
	put(t, db, "a1")
	run(t, db, "SELECT $S.drain(1); SELECT $S.subscribe('a', true), $S.subscribe('c', true), $S.subscribe('d', true), $S.applied_at('c', 1)")
	foreign := begin(t, open(t), pgx.RepeatableRead)
	if _, err := foreign.Exec(t.Context(), "SELECT count(*) FROM pg_class"); err != nil {
		t.Fatal(err)
	}
	const step = `INSERT INTO $S.event (stream, type, data) VALUES ('s', 't', '');
		PERFORM $S.pending(), $S.drain(1), $S.advance('c', (SELECT last FROM $S.place()), 1);
		PERFORM $S.applied_to('c', (SELECT at FROM $S.applied_at('c', 0)), (SELECT last FROM $S.place()), '');`
	steps := func(n int) {
		t.Helper()
		run(t, db, fmt.Sprintf("DO $$ BEGIN FOR i IN 1..%d LOOP %s COMMIT; END LOOP; END $$", n, step))
	}
	statements := []string{
		"SELECT $S.pending()", "SELECT * FROM $S.drain(1)", "SELECT last FROM $S.place()", "SELECT $S.sweep(1)",
		"SELECT $S.advance('c', (SELECT last FROM $S.place()), 1)", "SELECT * FROM $S.cursors()", "SELECT $S.subscribe('c', true)",
		"SELECT $S.applied_to('c', at, (SELECT last FROM $S.place()), '') FROM $S.applied_at('c', 0)",
	}
	touched := func(statement string) int {
		t.Helper()
		run(t, db, "INSERT INTO $S.event (stream, type, data) VALUES ('s', 't', '')")
		return pgtest.Pages(t, db.Pool, strings.ReplaceAll(statement, "$S", db.Schema))
	}
	steps(20) // beyond the executions after which a plan is kept
	before := map[string]int{}
	for _, s := range statements {
		touched(s)
		before[s] = touched(s)
	}
	steps(2000)
	for _, s := range statements {
		// A few more: indexes are higher, and a page is full now and then.
		if n := touched(s); n > before[s]+16 {
			t.Errorf("after 2000 steps beside an open transaction, %s touches %d pages; after 20 it touched %d", s, n, before[s])
		}
	}
}

// TestOneRowOfEach: whoever moves the relay, or makes a cursor or a place, at the same
// time as others finds what they have left. The key does not say that there is one row.
func TestOneRowOfEach(t *testing.T) {
	db := open(t)
	const each, rounds = 4, 50
	var all sync.WaitGroup
	for range each {
		all.Go(func() {
			for n := range rounds {
				for _, sql := range []string{
					"INSERT INTO $S.event (stream, type, data) VALUES ('s', 't', '')", "SELECT $S.drain(1)",
					"SELECT $S.subscribe('c' || $1::int, $1 % 2 = 0)", "SELECT $S.applied_at('a' || $1::int, (1000 * random())::bigint)",
				} {
					args := []any{n}[:strings.Count(sql, "$1::int")]
					if _, err := db.Pool.Exec(t.Context(), strings.ReplaceAll(sql, "$S", db.Schema), args...); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	number(t, db, "SELECT numbered FROM $S.drain(1)")
	for sql, want := range map[string]int64{
		"SELECT count(*) FROM $S.relay": 1, "SELECT last FROM $S.place()": each * rounds, "SELECT count(DISTINCT position) FROM $S.numbered": each * rounds,
		"SELECT max(position) FROM $S.numbered": each * rounds, "SELECT count(*) FROM $S.cursor": rounds, "SELECT count(*) FROM $S.cursors()": rounds, "SELECT count(*) FROM $S.applied": rounds,
	} {
		if n := number(t, db, sql); n != want {
			t.Errorf("%s is %d, want %d", sql, n, want)
		}
	}
}
