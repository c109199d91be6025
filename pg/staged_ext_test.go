package pg_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
)

type step = func(ctx context.Context, tx pgx.Tx) error

func does(sql string) step {
	return func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, sql)
		return err
	}
}

// around are what comes before an append, and after it.
var around = map[string]struct {
	before, after step
	kept          int64
}{
	"alone": {kept: 1},
	"Exec":  {before: does("SAVEPOINT a"), after: does("ROLLBACK TO SAVEPOINT a")},
	"Query": {before: does("SAVEPOINT a"), after: func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "ROLLBACK TO SAVEPOINT a")
		rows.Close()
		return err
	}},
	"SendBatch": {before: does("SAVEPOINT a"), after: func(ctx context.Context, tx pgx.Tx) error {
		var b pgx.Batch
		b.Queue("ROLLBACK TO SAVEPOINT a")
		return tx.SendBatch(ctx, &b).Close()
	}},
	"Conn": {before: does("SAVEPOINT a"), after: func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Conn().Exec(ctx, "ROLLBACK TO SAVEPOINT a")
		return err
	}},
	"Begin": {kept: 1, after: func(ctx context.Context, tx pgx.Tx) error {
		nested, err := tx.Begin(ctx)
		if err != nil {
			return err
		}
		return nested.Rollback(ctx)
	}},
}

// TestAppendKeepsItsPlace: what waits to be sent is sent before anything else that
// its transaction does, by whichever of its methods.
func TestAppendKeepsItsPlace(t *testing.T) {
	for name, c := range around {
		t.Run(name, func(t *testing.T) {
			db := open(t)
			put := func(ctx context.Context, tx pgx.Tx) error {
				return pg.Append(ctx, pg.In(db.Schema, tx), "s", mainstem.Event{Type: "t"})
			}
			steps := func(ctx context.Context, tx pgx.Tx) error {
				for _, next := range []step{c.before, put, c.after} {
					if next == nil {
						continue
					}
					if err := next(ctx, tx); err != nil {
						return err
					}
				}
				return nil
			}
			_, err := db.Run(t.Context(), pg.Request{Key: "k"}, func(ctx context.Context, tx pgx.Tx) ([]byte, error) { return nil, steps(ctx, tx) })
			wantCode(t, err, 0)
			wantCode(t, pgx.BeginFunc(t.Context(), db, func(tx pgx.Tx) error { return steps(t.Context(), tx) }), 0)
			if kept := number(t, db, "SELECT count(*) FROM $S.event"); kept != c.kept*2 {
				t.Errorf("%d events are kept, want %d of each way", kept, c.kept)
			}
		})
	}
}

// TestAppendInRun: many events keep their order, a reader in the transaction sees
// them, a refusal takes them back, and what cannot be kept fails the request.
func TestAppendInRun(t *testing.T) {
	db := open(t)
	const most = 100 // more than wait at once
	_, err := db.Run(t.Context(), pg.Request{Key: "k"}, func(ctx context.Context, tx pgx.Tx) ([]byte, error) {
		for i := range most {
			appendEvent(t, db, tx, "s", fmt.Sprint(i))
		}
		var seen int
		err := tx.QueryRow(ctx, "SELECT count(*) FROM "+db.Schema+".event").Scan(&seen)
		if seen != most {
			t.Errorf("the transaction sees %d of its events, want %d", seen, most)
		}
		return nil, err
	})
	wantCode(t, err, 0)
	run(t, db, "ALTER TABLE $S.event ADD CHECK (type <> 'never')")
	reply, err := db.Run(t.Context(), pg.Request{Key: "taken back", Refusals: true}, func(ctx context.Context, tx pgx.Tx) ([]byte, error) {
		effect(t, db, tx, "x")
		if err := pg.Append(ctx, pg.In(db.Schema, tx), "s", mainstem.Event{Type: "never"}); err != nil {
			return nil, err
		}
		return nil, pg.Refuse(nil)
	})
	wantCode(t, err, 0)
	if n := number(t, db, "SELECT count(*) FROM $S.event"); n != most || effects(t, db, "x") != 0 || !reply.Refused {
		t.Errorf("%d events, want %d; reply %+v", n, most, reply)
	}
	if n := number(t, db, "SELECT count(*) FROM (SELECT convert_from(data, 'UTF8')::int - row_number() OVER (ORDER BY id) AS d FROM $S.event) AS e WHERE d <> -1"); n != 0 {
		t.Errorf("%d events out of order", n)
	}
	_, err = db.Run(t.Context(), pg.Request{Key: "fails"}, func(ctx context.Context, tx pgx.Tx) ([]byte, error) {
		effect(t, db, tx, "fails")
		return nil, pg.Append(ctx, pg.In(db.Schema, tx), "s", mainstem.Event{Type: "never"})
	})
	wantCode(t, err, mainstem.Invalid)
	if effects(t, db, "fails") != 0 {
		t.Error("a request is committed without its event")
	}
}

// TestNothingStagedIsLeftOut: where what waited could not be sent, for which the
// connection need not break, nothing is committed without it, also if the function does
// not look at the error, or is not shown it.
func TestNothingStagedIsLeftOut(t *testing.T) {
	for name, look := range map[string]func(ctx context.Context, tx pgx.Tx){
		"a statement whose time is up": func(ctx context.Context, tx pgx.Tx) {
			over, cancel := context.WithCancel(ctx)
			cancel()
			_ = tx.QueryRow(over, "SELECT 1").Scan(new(int))
		},
		"rows that are open": func(ctx context.Context, tx pgx.Tx) {
			_, _ = tx.Exec(ctx, "SELECT 1")
			rows, err := tx.Query(ctx, "SELECT generate_series(1, 3)")
			if err != nil {
				t.Error(err)
			}
			_ = pg.Append(ctx, tx, "s", mainstem.Event{Type: "t"})
			_ = tx.Conn()
			rows.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			db := open(t)
			err := pgx.BeginFunc(t.Context(), db, func(tx pgx.Tx) error {
				if err := pg.Append(t.Context(), tx, "s", mainstem.Event{Type: "t"}); err != nil {
					return err
				}
				look(t.Context(), tx)
				return nil
			})
			if mainstem.CodeOf(err) != mainstem.RetryTransaction {
				t.Errorf("COMMIT says %v", err)
			}
			if n := number(t, db, "SELECT count(*) FROM "+db.Schema+".event"); n != 0 {
				t.Errorf("%d events", n)
			}
		})
	}
}

// TestRunThatWasDoneMeanwhile: a function that fails because of what another run of the
// same request has just done is no answer: that run's reply is.
func TestRunThatWasDoneMeanwhile(t *testing.T) {
	db := open(t)
	own := errors.New("not enough")
	reply, err := db.Run(t.Context(), pg.Request{Key: "k"}, func(ctx context.Context, _ pgx.Tx) ([]byte, error) {
		_, err := db.Pool.Exec(ctx, "INSERT INTO "+db.Schema+".request (key, hash, state, reply, until) VALUES ('k', '', 1, 'first', now() + interval '1 day')")
		return nil, errors.Join(own, err)
	})
	if err != nil || !reply.Replayed || string(reply.Body) != "first" {
		t.Errorf("%+v, %v", reply, err)
	}
	if _, err := db.Run(t.Context(), pg.Request{Key: "other"}, func(context.Context, pgx.Tx) ([]byte, error) { return nil, own }); !errors.Is(err, own) {
		t.Errorf("a function that fails by itself: %v", err)
	}
}
