package pg_test

import (
	"context"
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
