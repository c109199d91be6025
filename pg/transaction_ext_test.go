package pg_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/proxy"
	"github.com/mainstemdb/mainstem/pg"
)

// beginHere is begin by DB.BeginTx.
func beginHere(t *testing.T, db *pg.DB, level pgx.TxIsoLevel) pgx.Tx {
	t.Helper()
	tx, err := db.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: level})
	wantCode(t, err, 0)
	t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	return tx
}

// TestBegin: a transaction of DB.Begin begins and ends like one of the pool's, and
// the options it was given hold.
func TestBegin(t *testing.T) {
	db := open(t)
	for name, end := range map[string]func(tx pgx.Tx) error{
		"Commit":   func(tx pgx.Tx) error { return tx.Commit(t.Context()) },
		"Rollback": func(tx pgx.Tx) error { return tx.Rollback(t.Context()) },
	} {
		empty := beginHere(t, db, "")
		wantCode(t, end(empty), 0)
		tx := beginHere(t, db, pgx.RepeatableRead)
		var level string
		if err := tx.QueryRow(t.Context(), "SHOW transaction_isolation").Scan(&level); err != nil || level != "repeatable read" {
			t.Errorf("the level is %q, %v", level, err)
		}
		if _, err := tx.Prepare(t.Context(), "one", "SELECT 1"); err != nil {
			t.Error(err)
		}
		effect(t, db, tx, name)
		appendEvent(t, db, tx, name, "x")
		wantCode(t, end(tx), 0)
		first := beginHere(t, db, "") // whose first statement is an append
		appendEvent(t, db, first, name, "y")
		var seen int
		if err := first.QueryRow(t.Context(), "SELECT count(*) FROM "+db.Schema+".event WHERE data = 'y'").Scan(&seen); err != nil || seen != 1 {
			t.Errorf("it sees %d of its events, %v", seen, err)
		}
		wantCode(t, first.Rollback(t.Context()), 0)
		for _, tx := range []pgx.Tx{empty, tx} {
			_, execErr := tx.Exec(t.Context(), "SELECT 1")
			err := pg.Append(t.Context(), tx, "s", mainstem.Event{Type: "t"})
			for _, err := range []error{tx.Commit(t.Context()), tx.Rollback(t.Context()), execErr, errors.Unwrap(err)} {
				if !errors.Is(err, pgx.ErrTxClosed) {
					t.Errorf("after the end: %v", err)
				}
			}
		}
	}
	if effects(t, db, "Commit") != 1 || effects(t, db, "Rollback") != 0 || number(t, db, "SELECT count(*) FROM $S.event") != 1 {
		t.Error("what was committed is gone, or what was rolled back is there")
	}
	if n := db.Pool.Stat().AcquiredConns(); n != 0 {
		t.Errorf("%d connections were not given back", n)
	}
	_, err := (&pg.DB{}).Begin(t.Context())
	wantCode(t, err, mainstem.Invalid)
}

// TestBeginKeepsReplies: a reply that waits to be sent is known to whoever asks in
// the same transaction; one that cannot be kept fails the COMMIT, and nothing of it
// is committed.
func TestBeginKeepsReplies(t *testing.T) {
	db := open(t)
	once := func(tx pgx.Tx) (pg.Reply, error) {
		return pg.Once(t.Context(), tx, pg.Request{Key: "k"}, func(context.Context) ([]byte, error) {
			effect(t, db, tx, "k")
			return []byte("reply"), nil
		})
	}
	tx := beginHere(t, db, "")
	for _, replayed := range []bool{false, true} {
		if reply, err := once(tx); err != nil || reply.Replayed != replayed || string(reply.Body) != "reply" {
			t.Errorf("%+v, %v; want replayed %t", reply, err, replayed)
		}
	}
	wantCode(t, tx.Rollback(t.Context()), 0)

	run(t, db, "ALTER TABLE $S.request ADD CHECK (reply = '')")
	tx = beginHere(t, db, "")
	_, err := once(tx)
	wantCode(t, err, 0)
	wantCode(t, tx.Commit(t.Context()), mainstem.Invalid)
	if n := effects(t, db, "k"); n != 0 {
		t.Errorf("%d effects of a request whose reply is not kept", n)
	}
}

// TestBeginWithoutAnswer: an answer to COMMIT that does not come is Undecided, and
// the same key tells.
func TestBeginWithoutAnswer(t *testing.T) {
	for how, before := range map[proxy.Loss]int64{proxy.LoseIt: 0, proxy.LoseAnswer: 1} {
		db := open(t)
		p := proxied(t, running(t))
		remote := through(t, db, p)
		charge := func() error {
			return pgx.BeginFunc(t.Context(), remote, func(tx pgx.Tx) error {
				_, err := pg.Once(t.Context(), tx, pg.Request{Key: "k"}, func(context.Context) ([]byte, error) {
					effect(t, db, tx, "k")
					return nil, nil
				})
				return err
			})
		}
		p.LoseOnce(commitMessage, how)
		wantCode(t, charge(), mainstem.Undecided)
		if n := effects(t, db, "k"); n != before {
			t.Errorf("loss %d: %d effects, want %d", how, n, before)
		}
		wantCode(t, charge(), 0)
		if n := effects(t, db, "k"); n != 1 {
			t.Errorf("loss %d: %d effects after the repetition", how, n)
		}
	}
}

// counted counts what a client sends: each write is a message that it waits for
// the answer of.
type counted struct {
	net.Conn
	sent *atomic.Int64
}

func (c counted) Write(b []byte) (int, error) {
	c.sent.Add(1)
	return c.Conn.Write(b)
}

// TestRoundTrips: how often a request waits for the server, of which one is its own
// statement.
func TestRoundTrips(t *testing.T) {
	var sent atomic.Int64
	db := openOn(t, running(t), func(config *pgxpool.Config) {
		config.MaxConns = 1
		config.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			return counted{conn, &sent}, err
		}
	})
	do := func(ctx context.Context, tx pgx.Tx) ([]byte, error) {
		effect(t, db, tx, "x")
		return nil, pg.Append(ctx, db.In(tx), "s", mainstem.Event{Type: "t"})
	}
	once := func(b interface {
		Begin(ctx context.Context) (pgx.Tx, error)
	},
	) func(key string) error {
		return func(key string) error {
			return pgx.BeginFunc(t.Context(), b, func(tx pgx.Tx) error {
				_, err := pg.Once(t.Context(), db.In(tx), pg.Request{Key: key}, func(ctx context.Context) ([]byte, error) { return do(ctx, tx) })
				return err
			})
		}
	}
	for _, c := range []struct {
		name string
		want int64
		do   func(key string) error
	}{
		{"Run", 3, func(key string) error { _, err := db.Run(t.Context(), pg.Request{Key: key}, do); return err }},
		{"Once in DB.Begin", 3, once(db)},
		{"Once in a transaction of the pool's", 6, once(db.Pool)},
	} {
		wantCode(t, c.do(c.name+" at first"), 0) // statements are prepared
		before := sent.Load()
		wantCode(t, c.do(c.name), 0)
		if got := sent.Load() - before; got != c.want {
			t.Errorf("%s takes %d round trips, want %d", c.name, got, c.want)
		}
	}
}
