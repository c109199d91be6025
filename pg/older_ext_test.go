package pg_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
)

// TestLayout2IsCarriedOver: a schema that an older program printed, in the middle of
// its work. The rows of the relay, of cursors and of targets had one key for good.
func TestLayout2IsCarriedOver(t *testing.T) {
	db, fresh := open(t), open(t)
	put(t, db, "a1", "a2", "a3")
	number(t, db, "SELECT numbered FROM $S.drain(1)")
	run(t, db, `UPDATE $S.layout SET version = 2; DROP FUNCTION $S.place, $S.cursors, $S.advance, $S.applied_at, $S.applied_to;
		ALTER TABLE $S.relay DROP COLUMN step, ADD COLUMN one boolean PRIMARY KEY DEFAULT true CHECK (one);
		ALTER TABLE $S.cursor DROP CONSTRAINT cursor_pkey, ADD PRIMARY KEY (name);
		ALTER TABLE $S.applied DROP CONSTRAINT applied_pkey, ADD PRIMARY KEY (name);
		INSERT INTO $S.cursor (name, position) VALUES ('c', 1); INSERT INTO $S.applied (name, position) VALUES ('c', 2)`)
	for range 2 {
		install(t, db, "")
	}
	if f := finding(t, db, "schema"); f.Code != 0 {
		t.Errorf("check says %+v", f)
	}
	const keys = `SELECT count(*) FROM pg_constraint JOIN pg_attribute a ON attrelid = conrelid AND attnum = ANY (conkey)
		WHERE connamespace = '$S'::regnamespace AND contype = 'p' AND conname ~ '^(relay|cursor|applied)_pkey$' AND attname IN ('step', 'name', 'position')`
	if is, want := number(t, db, keys), number(t, fresh, keys); is != want || want != 5 {
		t.Errorf("%d columns are in the keys, %d where the schema is new", is, want)
	}
	if n := number(t, db, "SELECT last FROM $S.place()"); n != 3 {
		t.Errorf("the last position is %d", n)
	}
	relaying(t, db, true)
	put(t, db, "a4")
	r := &pg.Relay{DB: db, Poll: time.Millisecond, TTL: time.Second}
	background(t, "consumer", func(ctx context.Context) error {
		return r.ConsumeInto(ctx, into(t, db, func() string { return "" }))
	})
	eventually(t, "it goes on", func() bool { return effects(t, db, "4") == 1 && cursorAt(t, db, "c") == 4 })
	if n := number(t, db, "SELECT count(*) FROM $S.effect"); n != 2 {
		t.Errorf("%d effects, where positions 3 and 4 are new to the target", n)
	}
}

// TestTargetOfAnOlderLayout: what is missing in a target that was not printed anew is
// no fault of events, and none of them is parked for it.
func TestTargetOfAnOlderLayout(t *testing.T) {
	db, target := open(t), open(t)
	run(t, target, "UPDATE $S.layout SET version = 2; DROP FUNCTION $S.applied_at")
	put(t, db, "a1")
	number(t, db, "SELECT numbered FROM $S.drain(1)")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err := (&pg.Relay{DB: db}).ConsumeInto(ctx, into(t, target, func() string { return "" }))
	if wantCode(t, err, mainstem.Invalid); !strings.Contains(err.Error(), "layout 2") {
		t.Errorf("the consumer ends with %v", err)
	}
	if n := number(t, db, "SELECT count(*) FROM $S.parked"); n != 0 {
		t.Errorf("%d events are parked", n)
	}
}

// TestCheckTellsOlderFromNewer: an older program called a newer schema wrong, and asked
// to print it again, which would have set it back.
func TestCheckTellsOlderFromNewer(t *testing.T) {
	db := open(t)
	now := number(t, db, "SELECT print FROM $S.layout")
	sql, err := pg.Schema(db.Schema, "")
	wantCode(t, err, 0)
	for _, c := range []struct {
		what, sql, says string
		code            mainstem.Code
	}{
		{"a newer print", fmt.Sprintf("UPDATE $S.layout SET print = %d, hash = 'x'; DROP FUNCTION $S.applied_at; ALTER TABLE $S.era ALTER made DROP DEFAULT", now+1), "update the program", mainstem.Weak},
		{"a newer layout", "UPDATE $S.layout SET version = 99", "update the program", mainstem.Invalid},
		{"an older print", fmt.Sprintf("UPDATE $S.layout SET print = %d, hash = 'x'", now-1), "mainstem pg schema", mainstem.Invalid},
		{"no number", "ALTER TABLE $S.layout DROP COLUMN print, DROP COLUMN hash", "mainstem pg schema", mainstem.Invalid},
		{"another print", "UPDATE $S.layout SET hash = 'x'", "mainstem pg schema", mainstem.Invalid},
		{"an older layout", "UPDATE $S.layout SET version = 2", "mainstem pg schema", mainstem.Invalid},
	} {
		run(t, db, c.sql)
		found, err := db.Check(t.Context())
		wantCode(t, err, 0)
		var said []pg.Finding
		for _, f := range found {
			if f.What == "schema" {
				said = append(said, f)
			}
		}
		if len(said) != 1 || said[0].Code != c.code || !strings.Contains(said[0].Detail, c.says) {
			t.Errorf("of %s, check says %+v", c.what, said)
		}
		newer := strings.Contains(c.what, "newer")
		_, err = db.Pool.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
		if refused := err != nil; refused != newer {
			t.Errorf("the SQL over %s: %v", c.what, err)
		}
		if newer {
			run(t, db, "UPDATE $S.layout SET version = 1, print = NULL; ALTER TABLE $S.era ALTER made SET DEFAULT clock_timestamp()")
			run(t, db, sql)
		}
		if f := finding(t, db, "schema"); f.Code != 0 {
			t.Errorf("once it is printed again over %s, check says %+v", c.what, f)
		}
	}
}
