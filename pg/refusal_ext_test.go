package pg_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
)

// TestRefusalWithinRefusal: a refusal keeps nothing that its function wrote, also where
// another request within it was refused, or failed, before.
func TestRefusalWithinRefusal(t *testing.T) {
	failed := errors.New("on purpose")
	for name, inner := range map[string]error{"refused": pg.Refuse([]byte("inner no")), "failed": failed} {
		within := func(db *pg.DB, tx pg.Tx) error {
			effect(t, db, tx, "outer")
			_, err := pg.Once(t.Context(), tx, pg.Request{Key: "inner", Refusals: true}, func(context.Context) ([]byte, error) {
				effect(t, db, tx, "inner")
				return nil, inner
			})
			if err != nil && !errors.Is(err, failed) {
				return err
			}
			return pg.Refuse([]byte("outer no"))
		}
		wants := func(t *testing.T, db *pg.DB, reply pg.Reply, err error) {
			t.Helper()
			wantCode(t, err, 0)
			if n := number(t, db, "SELECT count(*) FROM $S.effect"); !reply.Refused || string(reply.Body) != "outer no" || n != 0 {
				t.Errorf("the reply is %q, refused %t, with %d effects", reply.Body, reply.Refused, n)
			}
			if n := number(t, db, "SELECT count(*) FROM $S.request"); n != 1 {
				t.Errorf("%d requests are kept, want the outer one", n)
			}
		}
		outer := pg.Request{Key: "outer", Refusals: true}
		t.Run(name+" in Run", func(t *testing.T) {
			db := open(t)
			reply, err := db.Run(t.Context(), outer, func(_ context.Context, tx pgx.Tx) ([]byte, error) { return nil, within(db, tx) })
			wants(t, db, reply, err)
		})
		t.Run(name+" in Once", func(t *testing.T) {
			eachCaller(t, func(t *testing.T, db *pg.DB, c caller) {
				var reply pg.Reply
				err := c.in(t, db, func(tx pg.Tx) (err error) {
					reply, err = pg.Once(t.Context(), tx, outer, func(context.Context) ([]byte, error) { return nil, within(db, tx) })
					return err
				})
				wants(t, db, reply, err)
			})
		})
	}
}

// unique gives the table of effects a unique name, and one that is taken.
func unique(t *testing.T, db *pg.DB) {
	t.Helper()
	run(t, db, "CREATE UNIQUE INDEX unique_effect ON $S.effect (name); INSERT INTO $S.effect VALUES ('taken')")
}

// insert is effect, where it may fail.
func insert(ctx context.Context, db *pg.DB, tx pg.Tx, name string) error {
	_, err := tx.Exec(ctx, "INSERT INTO "+db.Schema+".effect VALUES ($1::text)", name)
	return err
}

// TestRefusalOfWhatFailed: a statement that failed is a reason to refuse, and the refusal
// is kept, on a connection that has done nothing before too.
func TestRefusalOfWhatFailed(t *testing.T) {
	db := open(t)
	unique(t, db)
	runs := 0
	s := serve(t, db, func(h *pg.HTTP) http.Handler {
		return h.InTransaction(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			runs++
			effect(t, db, pg.TxOf(r.Context()), "undone")
			if err := insert(r.Context(), db, pg.TxOf(r.Context()), "taken"); err != nil {
				w.WriteHeader(http.StatusConflict)
			}
			fmt.Fprint(w, "no")
		}))
	})
	began := time.Now()
	s.wants("/", "k", "", 409, "no")
	s.wants("/", "k", "", 409, "no")
	if took := time.Since(began); runs != 1 || effects(t, db, "undone") != 0 || took > 5*time.Second {
		t.Errorf("%d runs in %s, with %d effects", runs, took, effects(t, db, "undone"))
	}
	eachCaller(t, func(t *testing.T, db *pg.DB, c caller) {
		unique(t, db)
		var reply pg.Reply
		err := c.in(t, db, func(tx pg.Tx) (err error) {
			reply, err = pg.Once(t.Context(), tx, pg.Request{Key: "k", Refusals: true}, func(ctx context.Context) ([]byte, error) {
				appendEvent(t, db, tx, "s", "undone")
				if insert(ctx, db, tx, "taken") == nil {
					t.Error("the name was not taken")
				}
				_ = pg.Append(ctx, tx, "s", mainstem.Event{Type: "t"}) // fails at once, or waits for the next statement
				return nil, pg.Refuse([]byte("no"))
			})
			return err
		})
		wantCode(t, err, 0)
		if n := number(t, db, "SELECT count(*) FROM $S.event"); !reply.Refused || n != 0 {
			t.Errorf("%+v, with %d events", reply, n)
		}
	})
}
