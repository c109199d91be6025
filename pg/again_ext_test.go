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

// TestKnownKeyIsNotBusy: a second call that was given the first reply had the key
// until its COMMIT, and whoever came meanwhile was told that the request is running.
// Two calls that came together again and again refused each other for good.
func TestKnownKeyIsNotBusy(t *testing.T) {
	db := open(t)
	pay(t, db, "a")
	never := func(context.Context) ([]byte, error) { t.Error("it ran again"); return nil, nil }
	for _, level := range []pgx.TxIsoLevel{pgx.ReadCommitted, pgx.Serializable} {
		tx := begin(t, db, level)
		reply, err := pg.Once(t.Context(), pg.In(db.Schema, tx), pg.Request{Key: "a"}, never)
		if wantCode(t, err, 0); !reply.Replayed {
			t.Errorf("the second call: %+v", reply)
		}
		if reply := pay(t, db, "a"); !reply.Replayed || string(reply.Body) != "a" {
			t.Errorf("the third call, while the second one has not ended: %+v", reply)
		}
		_, err = db.Run(t.Context(), pg.Request{Key: "a", Hash: []byte("other")}, func(ctx context.Context, _ pgx.Tx) ([]byte, error) { return never(ctx) })
		wantCode(t, err, mainstem.IDReused)
		commit(t, tx)
	}
}

// TestFailureLeavesNoTrace: a function that fails leaves its key free, also where its
// caller commits all the same.
func TestFailureLeavesNoTrace(t *testing.T) {
	for _, level := range []pgx.TxIsoLevel{pgx.ReadCommitted, pgx.RepeatableRead, pgx.Serializable} {
		for name, begin := range map[string]func(*testing.T, *pg.DB, pgx.TxIsoLevel) pgx.Tx{"the pool's": begin, "DB.Begin": beginHere} {
			t.Run(fmt.Sprint(level, " ", name), func(t *testing.T) {
				db := open(t)
				failed := errors.New("on purpose")
				tx := begin(t, db, level)
				if _, err := pg.Once(t.Context(), db.In(tx), pg.Request{Key: "k"}, func(context.Context) ([]byte, error) { return nil, failed }); !errors.Is(err, failed) {
					t.Fatal(err)
				}
				commit(t, tx)
				if n := number(t, db, "SELECT count(*) FROM $S.request"); n != 0 {
					t.Errorf("%d requests are kept", n)
				}
				if reply := pay(t, db, "k"); reply.Replayed {
					t.Errorf("%+v", reply)
				}
			})
		}
	}
}
