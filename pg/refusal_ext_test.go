package pg_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

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
