package pg_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
)

// TestNewConsumerBesideAnOldTable: a transaction that stays open keeps an old table
// of the ring, while younger ones are emptied. A new consumer began in the old one,
// met what is missing, and ended as corrupt; from then on its cursor kept the table.
func TestNewConsumerBesideAnOldTable(t *testing.T) {
	db := open(t)
	slot := number(t, db, "SELECT $S.slot()")
	stage := func(tx pgx.Tx, slot int64, data string) {
		t.Helper()
		if _, err := tx.Exec(t.Context(), "INSERT INTO "+db.Schema+".event (slot, stream, type, data) VALUES ($1::smallint, 'p', 't', $2::text::bytea)", slot, data); err != nil {
			t.Fatal(err)
		}
	}
	drain := func() { number(t, db, "SELECT numbered FROM $S.drain(1)") }
	past, later := (slot+2)%4, (slot+3)%4
	for _, s := range []int64{past, later} {
		wantCode(t, pgx.BeginFunc(t.Context(), db.Pool, func(tx pgx.Tx) error { stage(tx, s, "1"); stage(tx, s, "2"); return nil }), 0)
		drain()
	}
	long := begin(t, db, pgx.ReadCommitted)
	stage(long, past, "late")
	run(t, db, "SELECT $S.subscribe('c', true)")
	if swept := number(t, db, "SELECT $S.sweep(1)"); swept != 1 {
		t.Fatalf("%d tables were emptied, want one of two", swept)
	}
	put(t, db, "a5")
	drain()
	_, err := db.Events(t.Context(), 0, 10)
	wantCode(t, err, mainstem.Trimmed)
	oldest, err := db.Oldest(t.Context())
	if wantCode(t, err, 0); oldest != 4 {
		t.Errorf("everything is kept after %d, want 4", oldest)
	}
	nobody := begin(t, db, pgx.ReadCommitted)
	if _, err := nobody.Exec(t.Context(), "DELETE FROM "+db.Schema+".cursor"); err != nil {
		t.Fatal(err)
	}
	h, err := pg.Survey(t.Context(), nobody, db.Schema)
	if wantCode(t, err, 0); h.After != 4 || h.Last != 5 {
		t.Errorf("from %d to %d is to be handed over, want 4 to 5", h.After, h.Last)
	}
	wantCode(t, nobody.Rollback(t.Context()), 0)
	var k taker
	r := &pg.Relay{DB: db}
	stop := background(t, "consumer", func(ctx context.Context) error {
		return r.Consume(ctx, pg.Consumer{Name: "new", Deliver: k.deliver})
	})
	k.wants(t, "a5")
	commit(t, long)
	drain()
	k.wants(t, "a5 plate")
	eventually(t, "its cursor has moved", func() bool { return cursorAt(t, db, "new") == 6 })
	stop()
	run(t, db, "UPDATE $S.cursor SET position = 6")
	if swept := number(t, db, "SELECT $S.sweep(1)"); swept != 1 {
		t.Errorf("%d tables were emptied, want the one that was kept", swept)
	}
	put(t, db, "a7", "a8", "a9")
	drain()
	run(t, db, "DELETE FROM $S.numbered WHERE position = 8") // by hand
	_, err = db.Events(t.Context(), 6, 10)
	wantCode(t, err, mainstem.Corrupt)
}
