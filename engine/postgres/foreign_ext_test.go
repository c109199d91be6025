package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem/engine/postgres"
	"github.com/mainstemdb/mainstem/internal/pgtest"
)

// TestForeignSnapshotSlowsNoAppend: while somebody's transaction stays open, no version of
// a row is removed. The server says how many pages each statement touches: it may not
// matter how often the tail has moved, or was proved, meanwhile.
func TestForeignSnapshotSlowsNoAppend(t *testing.T) {
	s := running(t)
	c := install(t, s, 3)
	in := func(sql string) string { return strings.ReplaceAll(sql, "$S", c.Schema) }
	foreign := connect(t, s)
	tx, err := foreign.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err == nil {
		_, err = tx.Exec(t.Context(), "SELECT count(*) FROM pg_class")
	}
	if err != nil {
		t.Fatal(err)
	}
	const (
		appends  = "$S.append(1::smallint, tail, hash, sha256(hash), '') FROM $S.newest(1::smallint)"
		confirms = "$S.confirm(1::smallint, tail, hash) FROM $S.newest(1::smallint)"
	)
	conn := connect(t, s) // whose plans are kept
	repeat := func(n int, what string) {
		t.Helper()
		sql := fmt.Sprintf("DO $$ BEGIN FOR i IN 1..%d LOOP PERFORM %s; COMMIT; END LOOP; END $$", n, in(what))
		if _, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatal(err)
		}
	}
	statements := []string{
		"SELECT " + appends, "SELECT " + confirms, "SELECT * FROM $S.extent(1::smallint)", "SELECT * FROM $S.tails()",
		"SELECT * FROM $S.hold(1::smallint)", "SELECT $S.forget(1::smallint, 1)",
	}
	repeat(400, appends) // an index of a few pages gets no higher soon
	before := map[string]int{}
	for range 7 { // beyond the executions after which a plan is kept
		for _, s := range statements {
			before[s] = pgtest.Pages(t, conn, in(s))
		}
	}
	for what, does := range map[string]string{"moved": appends, "proved": confirms} {
		repeat(2000, does)
		for _, s := range statements {
			pgtest.Pages(t, conn, in(s)) // what the last one left for others to do
			// A few more: indexes are higher, and a page is full now and then.
			if n := pgtest.Pages(t, conn, in(s)); n > before[s]+16 {
				t.Errorf("with a tail that was %s 2000 times beside an open transaction, %s touches %d pages; before it touched %d", what, s, n, before[s])
			}
		}
	}
}

// TestTailOfAnOlderLayout: the SQL keeps what a log of layout 2 has.
func TestTailOfAnOlderLayout(t *testing.T) {
	s := running(t)
	c := install(t, s, 2)
	run(t, s, strings.ReplaceAll(`ALTER TABLE $S.log DROP CONSTRAINT log_pkey, ADD PRIMARY KEY (part), SET (fillfactor = 10);
		UPDATE $S.database SET layout = 2; SELECT $S.append(1::smallint, tail, hash, sha256(''), '') FROM $S.newest(1::smallint)`, "$S", c.Schema))
	sql, err := postgres.Schema(c.Schema, 2, "")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		run(t, s, sql)
	}
	var rows, records, key, options int
	err = connect(t, s).QueryRow(t.Context(), strings.ReplaceAll(`SELECT (SELECT count(*) FROM $S.log), (SELECT sum(tail) FROM $S.tails()),
		(SELECT indnatts FROM pg_index WHERE indrelid = '$S.log'::regclass), (SELECT count(reloptions) FROM pg_class WHERE oid = '$S.log'::regclass)`, "$S", c.Schema)).
		Scan(&rows, &records, &key, &options)
	if err != nil || rows != 2 || records != 1 || key != 3 || options != 0 {
		t.Errorf("%d rows, %d records, a key of %d columns, %d settings: %v", rows, records, key, options, err)
	}
}
