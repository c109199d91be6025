package pg_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
)

// raise fails a statement as the server would.
func raise(ctx context.Context, tx pg.Tx, state string) error {
	_, err := tx.Exec(ctx, fmt.Sprintf("DO $$ BEGIN RAISE EXCEPTION 'on purpose' USING ERRCODE = '%s'; END $$", state))
	return err
}

// failing is a function that fails at its first call, with a SQLSTATE; an empty one
// says that the second call ends well.
type failing struct {
	fn   func(ctx context.Context, tx pgx.Tx) error
	want string
}

func failures(db *pg.DB) map[string]failing {
	taken := func(ctx context.Context, tx pgx.Tx) error { return insert(ctx, db, tx, "taken") }
	return map[string]failing{
		"unique key":        {taken, "23505"},
		"lock, with NOWAIT": {func(ctx context.Context, tx pgx.Tx) error { return raise(ctx, tx, "55P03") }, "55P03"},
		"cancelled":         {func(ctx context.Context, tx pgx.Tx) error { return raise(ctx, tx, "57014") }, "57014"},
		"right":             {func(ctx context.Context, tx pgx.Tx) error { return raise(ctx, tx, "42501") }, "42501"},
		"deferred unique key": {func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "INSERT INTO "+db.Schema+".late VALUES ('taken')")
			return err
		}, "23505"},
		"passed over":            {func(ctx context.Context, tx pgx.Tx) error { _ = taken(ctx, tx); return nil }, "23505"},
		"passed over, then more": {func(ctx context.Context, tx pgx.Tx) error { _ = taken(ctx, tx); return insert(ctx, db, tx, "x") }, "25P02"},
		"passed over, then event": {func(ctx context.Context, tx pgx.Tx) error {
			_ = taken(ctx, tx)
			return pg.Append(ctx, tx, "s", mainstem.Event{Type: "t"})
		}, "23505"},
		"passed over in a row": {func(ctx context.Context, tx pgx.Tx) error {
			var n int
			_ = tx.QueryRow(ctx, "SELECT 1 / $1::int", 0).Scan(&n)
			return nil
		}, "22012"},
		"passed over in rows": {func(ctx context.Context, tx pgx.Tx) error {
			rows, err := tx.Query(ctx, "SELECT 1 / $1::int", 0)
			if err == nil {
				rows.Close()
				_ = rows.Err()
			}
			return nil
		}, "22012"},
		"passed over in a batch": {func(ctx context.Context, tx pgx.Tx) error {
			var b pgx.Batch
			b.Queue("SELECT 1 / $1::int", 0)
			_ = tx.SendBatch(ctx, &b).Close()
			return nil
		}, "22012"},
		"gone back to a savepoint": {func(ctx context.Context, tx pgx.Tx) error {
			_, _ = tx.Exec(ctx, "SAVEPOINT own")
			_ = taken(ctx, tx)
			_, err := tx.Exec(ctx, "ROLLBACK TO SAVEPOINT own")
			return errors.Join(err, raise(ctx, tx, "40001"))
		}, ""},
		"serialization":              {func(ctx context.Context, tx pgx.Tx) error { return raise(ctx, tx, "40001") }, ""},
		"serialization, passed over": {func(ctx context.Context, tx pgx.Tx) error { _ = raise(ctx, tx, "40001"); return nil }, ""},
		"deadlock, and refused":      {func(ctx context.Context, tx pgx.Tx) error { _ = raise(ctx, tx, "40P01"); return pg.Refuse(nil) }, ""},
		"disk full":                  {func(ctx context.Context, tx pgx.Tx) error { return raise(ctx, tx, "53100") }, ""},
		"disk full, and own":         {func(ctx context.Context, tx pgx.Tx) error { _ = raise(ctx, tx, "53100"); return errors.New("cannot") }, ""},
	}
}

// TestRunReturnsWhatItsFunctionMet: an error of a statement of the function's own is
// returned at once; what another attempt may not meet is attempted again, whatever the
// function made of it.
func TestRunReturnsWhatItsFunctionMet(t *testing.T) {
	db := open(t)
	run(t, db, "INSERT INTO $S.effect VALUES ('taken'); CREATE UNIQUE INDEX unique_effect ON $S.effect (name)")
	run(t, db, "CREATE TABLE $S.late (name text UNIQUE DEFERRABLE INITIALLY DEFERRED); INSERT INTO $S.late VALUES ('taken')")
	for name, c := range failures(db) {
		t.Run(name, func(t *testing.T) {
			calls := 0
			reply, err := db.Run(t.Context(), pg.Request{Key: name, Refusals: true}, func(ctx context.Context, tx pgx.Tx) ([]byte, error) {
				if calls++; calls > 1 && c.want == "" {
					return []byte("done"), nil
				}
				return nil, c.fn(ctx, tx)
			})
			if c.want == "" {
				if wantCode(t, err, 0); calls != 2 || string(reply.Body) != "done" {
					t.Errorf("%+v after %d calls", reply, calls)
				}
				return
			}
			var said *pgconn.PgError
			if calls != 1 || !errors.As(err, &said) && !strings.Contains(fmt.Sprint(err), c.want) || said != nil && said.Code != c.want {
				t.Errorf("%v after %d calls, want %s", err, calls, c.want)
			}
		})
	}
}

// TestPoisonOfTheTarget: an error that only the event can be the reason of parks it,
// whatever Apply makes of it, and others go on.
func TestPoisonOfTheTarget(t *testing.T) {
	for name, apply := range map[string]func(ctx context.Context, target *pg.DB, tx pgx.Tx, data string) error{
		"returned": func(ctx context.Context, target *pg.DB, tx pgx.Tx, data string) error {
			return insert(ctx, target, tx, data)
		},
		"passed over": func(ctx context.Context, target *pg.DB, tx pgx.Tx, data string) error {
			_ = insert(ctx, target, tx, data)
			return nil
		},
		"passed over, then more": func(ctx context.Context, target *pg.DB, tx pgx.Tx, data string) error {
			_ = insert(ctx, target, tx, data)
			_, err := tx.Exec(ctx, "SELECT 1")
			return err
		},
		"passed over unseen": func(ctx context.Context, target *pg.DB, tx pgx.Tx, data string) error {
			_ = insert(ctx, target, beneath{tx}, data)
			return nil
		},
		"at COMMIT": func(ctx context.Context, target *pg.DB, tx pgx.Tx, data string) error {
			_, err := tx.Exec(ctx, "INSERT INTO "+target.Schema+".late VALUES ($1::text)", data)
			return errors.Join(err, insert(ctx, target, tx, data+" "))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, target := open(t), open(t)
			run(t, target, "INSERT INTO $S.effect VALUES ('2'); CREATE UNIQUE INDEX unique_effect ON $S.effect (name)")
			run(t, target, "CREATE TABLE $S.late (name text UNIQUE DEFERRABLE INITIALLY DEFERRED); INSERT INTO $S.late VALUES ('2')")
			r := relaying(t, db, true)
			c := into(t, target, nil)
			c.Apply = func(ctx context.Context, tx pgx.Tx, events []pg.Event) error {
				for _, e := range events {
					if err := apply(ctx, target, tx, string(e.Data)); err != nil {
						return err
					}
				}
				return nil
			}
			background(t, "consumer", func(ctx context.Context) error { return r.ConsumeInto(ctx, c) })
			put(t, db, "a1", "b2", "c3")
			eventually(t, "3 is applied", func() bool { return cursorAt(t, db, "c") == 3 })
			parked, err := db.Parked(t.Context(), "c")
			if wantCode(t, err, 0); len(parked) != 1 || parked[0].Position != 2 {
				t.Fatalf("parked are %+v", parked)
			}
			if name != "passed over unseen" && !strings.Contains(parked[0].Error, "23505") {
				t.Errorf("it is parked for %s", parked[0].Error)
			}
			_, err = db.Retry(t.Context(), "c", "b")
			wantCode(t, err, 0)
			eventually(t, "it was given again, and parked again", func() bool {
				return number(t, db, "SELECT count(*) FROM $S.parked WHERE NOT again") == 1
			})
		})
	}
}

// beneath is a transaction of which nobody else sees what is done in it.
type beneath struct{ pgx.Tx }

func (b beneath) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return b.Conn().Exec(ctx, sql, args...)
}

// TestTroubleOfTheTarget: a server that has no room, takes too long, or has lost a
// right is no fault of the events: they wait, and nothing is parked.
func TestTroubleOfTheTarget(t *testing.T) {
	for _, state := range []string{"53100", "53200", "57014", "57P03", "58030", "42501", "25006", "55P03", "40001", "passed over 53100", "a table's right", "a statement's time"} {
		t.Run(state, func(t *testing.T) {
			t.Parallel() // most of it is waiting
			db, target := open(t), open(t)
			r := relaying(t, db, true)
			c := into(t, target, func() string { return "" })
			calls, apply := 0, c.Apply
			c.Apply = func(ctx context.Context, tx pgx.Tx, events []pg.Event) error {
				if calls++; calls > 6 {
					return apply(ctx, tx, events)
				}
				switch state {
				case "a table's right":
					_, err := tx.Exec(ctx, "SET LOCAL ROLE pg_monitor")
					return errors.Join(err, apply(ctx, tx, events))
				case "a statement's time":
					_, err := tx.Exec(ctx, "SET LOCAL statement_timeout = 20")
					_, slow := tx.Exec(ctx, "SELECT pg_sleep(60)")
					return errors.Join(err, slow)
				case "passed over 53100":
					_ = raise(ctx, tx, "53100")
					return nil
				}
				return raise(ctx, tx, state)
			}
			appliesOne(t, r, c)
		})
	}
}
