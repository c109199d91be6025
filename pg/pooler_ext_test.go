package pg_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/pgserver"
	"github.com/mainstemdb/mainstem/pg"
)

// pooled is the same schema, reached through a pooler that has two connections for
// all of its clients.
func pooled(t *testing.T, db *pg.DB, mode string) *pg.DB {
	t.Helper()
	p, err := pgserver.NewPooler(t.Context(), running(t), 2)
	if errors.Is(err, pgserver.ErrNoPooler) {
		t.Skip("not run: " + err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return &pg.DB{Pool: poolOf(t, p.DSN()+" pool_max_conns=8 default_query_exec_mode="+mode), Schema: db.Schema}
}

// TestBehindAPooler: all of it works where each transaction has another session.
func TestBehindAPooler(t *testing.T) {
	for _, mode := range []string{"exec", "simple_protocol"} {
		t.Run(mode, func(t *testing.T) {
			db := open(t)
			through := pooled(t, db, mode)
			r := &pg.Relay{DB: through, Poll: 5 * time.Millisecond, TTL: time.Second}
			background(t, "relay", r.Run)
			var k taker
			background(t, "consumer", func(ctx context.Context) error {
				return r.Consume(ctx, pg.Consumer{Name: "c", Deliver: k.deliver})
			})
			readers := &pg.Readers{DB: through}
			session, err := readers.Session("")
			if err != nil {
				t.Fatal(err)
			}
			busy := make(chan error, 8)
			for n := range cap(busy) {
				go func() {
					_, err := session.Run(t.Context(), pg.Request{Key: fmt.Sprint("k", n%4), Wait: time.Minute, Refusals: true},
						func(ctx context.Context, tx pgx.Tx) ([]byte, error) {
							effect(t, db, tx, "k")
							return nil, pg.Append(ctx, pg.In(db.Schema, tx), "s", mainstem.Event{Type: "test", Data: fmt.Append(nil, n%4)})
						})
					busy <- err
				}()
			}
			for range cap(busy) {
				wantCode(t, <-busy, 0)
			}
			if n := effects(t, db, "k"); n != 4 {
				t.Errorf("four requests, each twice, have %d effects", n)
			}
			wantCode(t, session.Read(t.Context(), func(context.Context, pgx.Tx) error { return nil }), 0)
			eventually(t, "all events are delivered", func() bool { return len(strings.Fields(k.list())) == 4 })
			wantCode(t, through.Hold(t.Context(), "l", time.Second, func(ctx context.Context, token mainstem.FencingToken) error {
				return pgx.BeginFunc(ctx, through.Pool, func(tx pgx.Tx) error { return pg.Fence(ctx, pg.In(db.Schema, tx), "r", token) })
			}), 0)
			if f := finding(t, through, "way to the server"); !strings.Contains(f.Detail, "pooler") {
				t.Errorf("check says %+v", f)
			}
			r = &pg.Relay{DB: through, Listen: through.Pool.Config().ConnConfig}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			wantCode(t, r.Run(ctx), mainstem.Invalid)
			wantCode(t, r.Consume(ctx, pg.Consumer{Name: "other", Deliver: k.deliver}), mainstem.Invalid)
			left := number(t, db, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = pg_locks.pid AND state <> 'idle')")
			if left != 0 {
				t.Errorf("%d locks are left in sessions that are nobody's", left)
			}
		})
	}
}

// TestPreparedBehindAPooler says what is wrong, where pgx prepares statements that
// the next session does not know.
func TestPreparedBehindAPooler(t *testing.T) {
	through := pooled(t, open(t), "cache_statement")
	failed := make(chan error, 4)
	for n := range cap(failed) {
		go func() {
			var err error
			for i := 0; err == nil && i < 50; i++ {
				_, err = through.Acquire(t.Context(), fmt.Sprintf("l%d/%d", n, i), "me", time.Second)
			}
			failed <- err
		}()
	}
	var err error
	for range cap(failed) {
		if e := <-failed; e != nil {
			err = e
		}
	}
	if err == nil {
		t.Skip("not run: this pooler keeps prepared statements, so there is nothing to be said")
	}
	wantCode(t, err, mainstem.Invalid)
	if !strings.Contains(err.Error(), "default_query_exec_mode=exec") {
		t.Errorf("%v", err)
	}
}
