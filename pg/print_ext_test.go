package pg_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
)

// TestCheckKnowsWhatWasPrinted: a function that is gone, or that another program
// printed, and a default that is gone were all right to check.
func TestCheckKnowsWhatWasPrinted(t *testing.T) {
	db := open(t)
	run(t, db, "DROP TABLE $S.effect")
	wants := func(code mainstem.Code, words ...string) {
		t.Helper()
		f := finding(t, db, "schema")
		for _, word := range words {
			if !strings.Contains(f.Detail, word) {
				t.Errorf("check does not name %s: %+v", word, f)
			}
		}
		if f.Code != code {
			t.Errorf("check says %v of %q: %s", f.Code, words, f.Detail)
		}
	}
	wants(0)
	for _, f := range listOf(t, db, "SELECT proname, oid::regprocedure::text, oid::text FROM pg_proc WHERE pronamespace = '$S'::regnamespace") {
		run(t, db, "ALTER FUNCTION "+f[1]+" RENAME TO gone")
		wants(mainstem.Invalid, "."+f[0])
		run(t, db, fmt.Sprintf("DO $$ BEGIN EXECUTE format('ALTER FUNCTION %%s RENAME TO %s', %s::regprocedure); END $$", f[0], f[2]))
	}
	wants(0)
	run(t, db, "CREATE OR REPLACE FUNCTION $S.pending() RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN false; END'")
	wants(mainstem.Invalid, ".pending")
	install(t, db, "")
	wants(0)
	for _, d := range listOf(t, db, `SELECT c.oid::regclass::text, attname, pg_get_expr(adbin, adrelid) FROM pg_attrdef
		JOIN pg_class c ON c.oid = adrelid JOIN pg_attribute a ON attrelid = adrelid AND attnum = adnum WHERE relnamespace = '$S'::regnamespace`) {
		alter := "ALTER TABLE ONLY " + d[0] + " ALTER " + d[1]
		run(t, db, alter+" DROP DEFAULT")
		wants(mainstem.Invalid, strings.TrimPrefix(d[0], db.Schema), d[1])
		run(t, db, alter+" SET DEFAULT "+d[2])
	}
	wants(0)
}

func listOf(t *testing.T, db *pg.DB, sql string) [][3]string {
	t.Helper()
	rows, err := db.Pool.Query(t.Context(), strings.ReplaceAll(sql, "$S", db.Schema))
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r [3]string, err error) {
		return r, row.Scan(&r[0], &r[1], &r[2])
	})
	if err != nil || len(list) < 20 {
		t.Fatalf("%d rows, %v", len(list), err)
	}
	return list
}
