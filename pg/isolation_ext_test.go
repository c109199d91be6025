package pg_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
)

// snapshot begins a transaction that has its snapshot.
func snapshot(t *testing.T, db *pg.DB, level pgx.TxIsoLevel) pgx.Tx {
	t.Helper()
	tx := beginHere(t, db, level)
	if _, err := tx.Exec(t.Context(), "SELECT count(*) FROM "+db.Schema+".effect"); err != nil {
		t.Fatal(err)
	}
	return tx
}

// TestSnapshotThatIsTooOld: what was committed after a transaction's snapshot cannot
// be judged by it, so it is to be run again; nothing is decided by what it shows.
func TestSnapshotThatIsTooOld(t *testing.T) {
	for _, level := range []pgx.TxIsoLevel{pgx.RepeatableRead, pgx.Serializable} {
		for name, do := range map[string]func(db *pg.DB, tx pg.Tx, n int64) error{
			"AppendVersioned": func(_ *pg.DB, tx pg.Tx, _ int64) error {
				_, err := pg.AppendVersioned(t.Context(), tx, "v", pg.AnyVersion, mainstem.Event{Type: "t"})
				return err
			},
			"Fence with a token that was the highest": func(_ *pg.DB, tx pg.Tx, n int64) error {
				return pg.Fence(t.Context(), tx, "r", mainstem.FencingToken(7+n%2))
			},
			"Fence with a token that is the highest": func(_ *pg.DB, tx pg.Tx, n int64) error {
				return pg.Fence(t.Context(), tx, "r", mainstem.FencingToken(7+n))
			},
		} {
			t.Run(string(level)+" "+name, func(t *testing.T) {
				db := open(t)
				first := beginHere(t, db, level)
				wantCode(t, do(db, first, 0), 0)
				commit(t, first)
				late := snapshot(t, db, level)
				second := beginHere(t, db, level)
				wantCode(t, do(db, second, 1), 0)
				commit(t, second)
				wantCode(t, do(db, late, 2), mainstem.RetryTransaction)
				wantCode(t, late.Rollback(t.Context()), 0)
			})
		}
	}
}

// TestWriteSkew: of two transactions that read what the other writes, one is to be
// run again, which COMMIT says, or the statement before.
func TestWriteSkew(t *testing.T) {
	db := open(t)
	one, two := snapshot(t, db, pgx.Serializable), snapshot(t, db, pgx.Serializable)
	write := func(tx pgx.Tx, key string) error {
		_, err := pg.Once(t.Context(), tx, pg.Request{Key: key}, func(ctx context.Context) ([]byte, error) {
			_, err := tx.Exec(ctx, "INSERT INTO "+db.Schema+".effect VALUES ($1::text)", key)
			return nil, err
		})
		return err
	}
	wantCode(t, write(one, "one"), 0)
	err := write(two, "two")
	wantCode(t, one.Commit(t.Context()), 0)
	if err == nil {
		err = two.Commit(t.Context())
	}
	wantCode(t, err, mainstem.RetryTransaction)
	if n := number(t, db, "SELECT count(*) FROM $S.request"); n != 1 {
		t.Errorf("%d of two requests are kept", n)
	}
}

// TestSerializableByDefault: where every transaction is serializable unless it says
// otherwise, requests run once, events arrive, and leases are held.
func TestSerializableByDefault(t *testing.T) {
	db := openOn(t, running(t), func(config *pgxpool.Config) {
		config.ConnConfig.RuntimeParams["default_transaction_isolation"] = "serializable"
	})
	var k taker
	r := relaying(t, db, true)
	for range 2 {
		background(t, "consumer", func(ctx context.Context) error {
			return r.Consume(ctx, pg.Consumer{Name: "c", Deliver: k.deliver})
		})
	}
	const requests, callers = 20, 4
	ended := make(chan error, callers)
	for range callers {
		go func() {
			var err error
			for i := 0; i < requests && err == nil; i++ {
				key := fmt.Sprint(i)
				_, err = db.Run(t.Context(), pg.Request{Key: key, Wait: time.Minute}, func(ctx context.Context, tx pgx.Tx) ([]byte, error) {
					effect(t, db, tx, "x")
					return nil, pg.Append(ctx, tx, "s", mainstem.Event{Type: "t", Data: []byte(key)})
				})
			}
			ended <- err
		}()
	}
	for range callers {
		wantCode(t, <-ended, 0)
	}
	if n := effects(t, db, "x"); n != requests {
		t.Errorf("%d effects of %d requests", n, requests)
	}
	eventually(t, "every event is delivered", func() bool { return len(strings.Fields(k.list())) >= requests })
	wantCode(t, db.Hold(t.Context(), "l", time.Second, func(ctx context.Context, token mainstem.FencingToken) error {
		return pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error { return pg.Fence(ctx, tx, "r", token) })
	}), 0)
}

// TestRowThatIsGone: a request that has its row from its beginning, since its snapshot
// cannot tell, does not end without it.
func TestRowThatIsGone(t *testing.T) {
	for name, begin := range map[string]func(*testing.T, *pg.DB, pgx.TxIsoLevel) pgx.Tx{"the pool's": begin, "DB.Begin": beginHere} {
		t.Run(name, func(t *testing.T) {
			db := open(t)
			tx := begin(t, db, pgx.RepeatableRead)
			_, err := pg.Once(t.Context(), db.In(tx), pg.Request{Key: "k"}, func(ctx context.Context) ([]byte, error) {
				_, err := tx.Exec(ctx, "DELETE FROM "+db.Schema+".request")
				return nil, err
			})
			wantCode(t, err, mainstem.RetryTransaction)
		})
	}
}
