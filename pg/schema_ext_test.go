package pg_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
)

// TestSchemaRepeats: running the SQL again changes nothing, and a layout that is
// newer than the program's is left alone.
func TestSchemaRepeats(t *testing.T) {
	db := open(t)
	_, err := db.Run(t.Context(), pg.Request{Key: "k"}, func(context.Context, pgx.Tx) ([]byte, error) { return []byte("kept"), nil })
	wantCode(t, err, 0)
	install(t, db, "")
	reply, err := db.Run(t.Context(), pg.Request{Key: "k"}, nil)
	if wantCode(t, err, 0); string(reply.Body) != "kept" {
		t.Errorf("after a second run the reply is %q", reply.Body)
	}
	run(t, db, "UPDATE "+db.Schema+".layout SET version = 99")
	sql, err := pg.Schema(db.Schema, "")
	wantCode(t, err, 0)
	if _, err := db.Pool.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err == nil || !strings.Contains(err.Error(), "newer layout") {
		t.Errorf("an older program's SQL over a newer layout: %v", err)
	}
	wantCode(t, (&pg.Relay{DB: db}).Run(t.Context()), mainstem.Invalid)
}

// TestSchemaNames: what is no name of a schema or a role is refused, and a role's
// is quoted.
func TestSchemaNames(t *testing.T) {
	for name, want := range map[string]mainstem.Code{
		"mainstem": 0, "_a1": 0, strings.Repeat("a", 48): 0, "user": 0,
		"": mainstem.Invalid, strings.Repeat("a", 49): mainstem.Invalid, "1a": mainstem.Invalid, "A": mainstem.Invalid, `a"b`: mainstem.Invalid, "ä": mainstem.Invalid, "a b": mainstem.Invalid,
	} {
		_, err := pg.Schema(name, "")
		wantCode(t, err, want)
	}
	sql, err := pg.Schema("mainstem", `o"brien`)
	if wantCode(t, err, 0); !strings.Contains(sql, `TO "o""brien";`) {
		t.Error("a role with a quote in its name is not quoted")
	}
	_, err = pg.Schema("mainstem", strings.Repeat("r", 64))
	wantCode(t, err, mainstem.Invalid)
}

// TestGrants: what is printed for a role is enough for everything, and nothing of
// it is the right to create, alter or drop; what was not granted is Denied.
func TestGrants(t *testing.T) {
	owner := open(t)
	role := owner.Schema + "_role"
	run(t, owner, "CREATE ROLE "+role+" LOGIN")
	run(t, owner, "GRANT USAGE ON SCHEMA "+owner.Schema+" TO "+role+"; GRANT INSERT ON "+owner.Schema+".effect TO "+role)
	as := func() *pg.DB {
		config, err := pgxpool.ParseConfig(server.On(t).DSN())
		if err != nil {
			t.Fatal(err)
		}
		config.ConnConfig.User = role
		pool, err := pgxpool.NewWithConfig(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		return &pg.DB{Pool: pool, Schema: owner.Schema}
	}
	db := as()
	once := func() error {
		_, err := db.Run(t.Context(), pg.Request{Key: "k", Refusals: true}, func(ctx context.Context, tx pgx.Tx) ([]byte, error) {
			appendEvent(t, db, tx, "s", "1")
			_, err := pg.AppendVersioned(ctx, pg.In(db.Schema, tx), "v", pg.AnyVersion, mainstem.Event{Type: "t"})
			return nil, err
		})
		return err
	}
	wantCode(t, once(), mainstem.Denied)
	if got := finding(t, db, "schema"); got.Code != mainstem.Denied {
		t.Errorf("without rights, check says %+v", got)
	}
	install(t, owner, role)
	if got := finding(t, db, "rights"); got.Code != 0 {
		t.Errorf("with the rights that are printed, check says %+v", got)
	}
	run(t, owner, "REVOKE TRUNCATE ON "+owner.Schema+".event_0 FROM "+role)
	if got := finding(t, db, "rights"); got.Code != mainstem.Denied || !strings.Contains(got.Detail, "no TRUNCATE") {
		t.Errorf("without one of the rights, check says %+v", got)
	}
	install(t, owner, role)
	wantCode(t, once(), 0)
	r := relaying(t, db, true)
	var k taker
	k.set(func(e pg.Event) error {
		if e.Stream == "s" {
			return mainstem.Errorf(mainstem.Invalid, "never")
		}
		return nil
	})
	background(t, "consumer", func(ctx context.Context) error {
		return r.Consume(ctx, pg.Consumer{Name: "c", Deliver: k.deliver, Attempts: 1})
	})
	k.wants(t, "v")
	wantCode(t, db.Discard(t.Context(), "c", "s", 1), 0)
	wantCode(t, db.Hold(t.Context(), "l", time.Second, func(ctx context.Context, token mainstem.FencingToken) error {
		return pgx.BeginFunc(ctx, db.Pool, func(tx pgx.Tx) error { return pg.Fence(ctx, pg.In(db.Schema, tx), "r", token) })
	}), 0)
	for slot := range 4 { // as after a restore: xid is taken off, and tables are emptied
		if number(t, db, "SELECT has_table_privilege(format('$S.event_%s', $1::int), 'TRUNCATE')::int + has_table_privilege(format('$S.numbered_%s', $1::int), 'TRUNCATE')::int", slot) != 2 {
			t.Errorf("the role may not empty the tables of slot %d", slot)
		}
	}
	run(t, db, "UPDATE "+db.Schema+".event SET xid = xid WHERE false; UPDATE "+db.Schema+".numbered SET xid = xid WHERE false")
	_, err := db.Clean(t.Context())
	wantCode(t, err, 0)
	mayNot(t, db, "CREATE TABLE $S.x ()", "DROP TABLE $S.event", "ALTER TABLE $S.request ADD x int", "TRUNCATE $S.request",
		"UPDATE $S.event SET data = ''", "DELETE FROM $S.event")
}

// TestEachRightIsLookedFor: check misses each single right that is printed, and each
// table and index that is not there.
func TestEachRightIsLookedFor(t *testing.T) {
	owner := open(t)
	role := owner.Schema + "_role"
	run(t, owner, "CREATE ROLE "+role+" LOGIN; DROP TABLE $S.effect")
	install(t, owner, role)
	db := &pg.DB{Pool: poolOf(t, strings.Replace(server.On(t).DSN(), "user=postgres", "user="+role, 1)), Schema: owner.Schema}
	each := func(sql string) []string {
		t.Helper()
		rows, err := owner.Pool.Query(t.Context(), strings.ReplaceAll(sql, "$S", owner.Schema))
		if err != nil {
			t.Fatal(err)
		}
		list, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	worst := func() (code mainstem.Code, detail string) {
		t.Helper()
		found, err := db.Check(t.Context())
		wantCode(t, err, 0)
		for _, f := range found {
			if f.Code == mainstem.Denied || f.Code == mainstem.Invalid {
				return f.Code, f.Detail
			}
		}
		return 0, ""
	}
	if code, detail := worst(); code != 0 {
		t.Fatalf("check says %s", detail)
	}
	granted := each(`SELECT privilege_type || ' ON ' || CASE relkind WHEN 'S' THEN 'SEQUENCE ' ELSE '' END || c.oid::regclass
		FROM pg_class c, aclexplode(relacl) a WHERE relnamespace = '$S'::regnamespace AND a.grantee = '` + role + `'::regrole
		UNION ALL SELECT privilege_type || ' (' || attname || ') ON ' || attrelid::regclass
		FROM pg_attribute, aclexplode(attacl) a WHERE a.grantee = '` + role + `'::regrole`)
	if len(granted) < 40 {
		t.Fatalf("granted: %q", granted)
	}
	for _, right := range granted {
		run(t, owner, "REVOKE "+right+" FROM "+role)
		if code, detail := worst(); code != mainstem.Denied {
			t.Errorf("without %s check says %v, %s", right, code, detail)
		}
		run(t, owner, "GRANT "+right+" TO "+role)
	}
	for _, function := range each("SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = '$S'::regnamespace") {
		run(t, owner, "REVOKE EXECUTE ON FUNCTION "+function+" FROM PUBLIC")
		if code, detail := worst(); code != 0 {
			t.Errorf("everybody's right to %s is gone, the role's own is not, and check says %v, %s", function, code, detail)
		}
		run(t, owner, "REVOKE EXECUTE ON FUNCTION "+function+" FROM "+role)
		if code, detail := worst(); code != mainstem.Denied {
			t.Errorf("without EXECUTE on %s check says %v, %s", function, code, detail)
		}
		run(t, owner, "GRANT EXECUTE ON FUNCTION "+function+" TO "+role)
	}
	for _, name := range each(`SELECT relname FROM pg_class WHERE relnamespace = '$S'::regnamespace AND relkind IN ('r', 'p', 'S')
		UNION ALL SELECT relname FROM pg_class WHERE relnamespace = '$S'::regnamespace AND relkind IN ('i', 'I') AND NOT relispartition`) {
		run(t, owner, "ALTER TABLE $S."+name+" RENAME TO gone")
		if code, detail := worst(); code != mainstem.Invalid {
			t.Errorf("without %s check says %v, %s", name, code, detail)
		}
		run(t, owner, "ALTER TABLE $S.gone RENAME TO "+name)
	}
}

func mayNot(t *testing.T, db *pg.DB, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		if _, err := db.Pool.Exec(t.Context(), strings.ReplaceAll(sql, "$S", db.Schema)); err == nil {
			t.Errorf("the role may %s", sql)
		}
	}
}

// TestDamageByHand: what somebody deleted is named, and nothing is delivered as
// if it had never been.
func TestDamageByHand(t *testing.T) {
	db := open(t)
	relaying(t, db, false)
	put(t, db, "a1", "a2", "a3")
	numbered(t, db, 3)
	run(t, db, "DELETE FROM "+db.Schema+".event WHERE id = 2")
	_, err := db.Events(t.Context(), 0, 10)
	wantCode(t, err, mainstem.Corrupt)
	run(t, db, "DELETE FROM "+db.Schema+".numbered WHERE position = 2")
	_, err = db.Events(t.Context(), 0, 10)
	wantCode(t, err, mainstem.Corrupt)
	run(t, db, "DELETE FROM "+db.Schema+".numbered WHERE position = 1")
	_, err = db.Events(t.Context(), 0, 10)
	wantCode(t, err, mainstem.Trimmed)
	run(t, db, "ALTER TABLE "+db.Schema+".event DROP COLUMN trace")
	_, err = db.Events(t.Context(), 2, 10)
	wantCode(t, err, mainstem.Invalid)
}

// TestSweep: tables of past slots are emptied once all in them is numbered and
// delivered, and not before; nobody who writes or reads waits for it.
func TestSweep(t *testing.T) {
	db := open(t)
	slot := number(t, db, "SELECT $S.slot()")
	past := (slot + 2) % 4 // not the current one, and not the next
	stage := func(tx pgx.Tx, data string) {
		t.Helper()
		if _, err := tx.Exec(t.Context(), "INSERT INTO "+db.Schema+".event (slot, stream, type, data) VALUES ($1::smallint, 'p', 't', $2::text::bytea)", past, data); err != nil {
			t.Fatal(err)
		}
	}
	inSlot := func() int64 { return number(t, db, "SELECT count(*) FROM $S.event WHERE slot = $1", past) }
	sweep := func() int64 { return number(t, db, "SELECT $S.sweep(99)") }
	drain := func() { number(t, db, "SELECT numbered FROM $S.drain(99)") }
	wantCode(t, pgx.BeginFunc(t.Context(), db.Pool, func(tx pgx.Tx) error { stage(tx, "1"); return nil }), 0)
	run(t, db, "SELECT "+db.Schema+".subscribe('c', false)")
	if sweep() != 0 || inSlot() != 1 {
		t.Fatal("an event that has no position was swept")
	}
	drain()
	if sweep() != 0 || inSlot() != 1 {
		t.Fatal("an event that was not delivered was swept")
	}
	run(t, db, "UPDATE "+db.Schema+".cursor SET position = 1")
	late := begin(t, db, pgx.ReadCommitted)
	stage(late, "2")
	if sweep() != 0 {
		t.Fatal("a table that somebody writes to was swept")
	}
	commit(t, late)
	if sweep() != 0 || inSlot() != 2 {
		t.Fatal("an event that was committed late was swept")
	}
	drain()
	run(t, db, "UPDATE "+db.Schema+".cursor SET position = 2")
	reader := begin(t, db, pgx.RepeatableRead)
	if _, err := reader.Exec(t.Context(), "SELECT count(*) FROM "+db.Schema+".event"); err != nil {
		t.Fatal(err)
	}
	if sweep() != 0 {
		t.Fatal("a table that somebody reads was swept")
	}
	commit(t, reader)
	put(t, db, "a3")
	if sweep() != 1 || inSlot() != 0 || number(t, db, "SELECT count(*) FROM $S.numbered") != 0 {
		t.Fatal("a table whose events were all delivered was not swept")
	}
	drain()
	events, err := db.Events(t.Context(), 2, 10)
	if wantCode(t, err, 0); len(events) != 1 || events[0].Position != 3 {
		t.Fatalf("after sweeping, %+v", events)
	}
	_, err = db.Events(t.Context(), 1, 10)
	wantCode(t, err, mainstem.Trimmed)
}

// TestPlans: with 10,000 events and keys, no statement reads a table from end to
// end, whatever the planner knows of it.
func TestPlans(t *testing.T) {
	db := open(t)
	wantCode(t, pgx.BeginFunc(t.Context(), db.Pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), strings.ReplaceAll(`WITH r AS (INSERT INTO $S.request (key, hash, state, reply, until)
			SELECT 'k' || n, '', 1, '', now() + interval '1 h' FROM generate_series(1, 10000) n)
			INSERT INTO $S.event (stream, type, data) SELECT 's', 't', '' FROM generate_series(1, 10000)`, "$S", db.Schema))
		return err
	}), 0)
	number(t, db, "SELECT numbered FROM $S.drain(1)")
	run(t, db, "SELECT "+db.Schema+".subscribe('c', true)")
	scans := func() int64 {
		run(t, db, "SELECT pg_stat_force_next_flush()")
		return number(t, db, `SELECT coalesce(sum(seq_tup_read), 0) FROM pg_stat_user_tables WHERE schemaname = '$S' AND (relname LIKE 'event%' OR relname LIKE 'numbered%' OR relname = 'request')`)
	}
	eventually(t, "the counts are in", func() bool {
		return number(t, db, "SELECT n_tup_ins FROM pg_stat_user_tables WHERE schemaname = '$S' AND relname = 'request'") == 10000 || scans() < 0
	})
	before := scans()
	db.Pool.Reset() // each session counts for itself, and tells when it ends
	for range 8 {   // beyond the five executions after which a plan may be kept
		put(t, db, "a1")
		number(t, db, "SELECT $S.pending()::int")
		number(t, db, "SELECT numbered FROM $S.drain(1)")
		number(t, db, "SELECT $S.sweep(1)")
		_, err := db.Events(t.Context(), 9990, 5)
		wantCode(t, err, 0)
		_, err = db.Run(t.Context(), pg.Request{Key: "k7"}, nil)
		wantCode(t, err, 0)
		_, err = db.Clean(t.Context())
		wantCode(t, err, 0)
	}
	db.Pool.Reset()
	eventually(t, "the sessions have ended", func() bool {
		return number(t, db, "SELECT n_tup_ins FROM pg_stat_user_tables WHERE schemaname = '$S' AND relname LIKE 'event%' AND n_tup_ins > 0") == 10008
	})
	if after := scans(); after != before {
		var list string
		_ = db.Pool.QueryRow(t.Context(), "SELECT string_agg(relname || ' ' || seq_tup_read, ', ') FROM pg_stat_user_tables WHERE seq_tup_read > 0 AND schemaname = $1", db.Schema).Scan(&list)
		t.Errorf("%d rows were read one after the other: %s", after-before, list)
	}
}
