package pg_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mainstemdb/mainstem/pg"
)

// hurried is a target whose statements may take so long, the same without that, and a
// relay that is patient with them for as short as it can.
func hurried(t *testing.T, timeout string) (r *pg.Relay, target, calm *pg.DB) {
	t.Helper()
	numbering := relaying(t, open(t), true)
	calm = openOn(t, running(t), nil)
	c := calm.Pool.Config()
	c.ConnConfig.RuntimeParams["statement_timeout"] = timeout
	pool, err := pgxpool.NewWithConfig(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return &pg.Relay{DB: numbering.DB, Poll: time.Millisecond, TTL: 300 * time.Millisecond}, &pg.DB{Pool: pool, Schema: calm.Schema}, calm
}

// TestEventThatTakesTooLong: an event whose effects take longer than the target allows
// was applied again and again for ever, and what came after it waited.
func TestEventThatTakesTooLong(t *testing.T) {
	r, target, calm := hurried(t, "200")
	c := into(t, target, nil)
	c.Attempts = 3
	c.Apply = func(ctx context.Context, tx pgx.Tx, events []pg.Event) error {
		for _, e := range events {
			if string(e.Data) == "2" {
				if _, err := tx.Exec(ctx, "SELECT pg_sleep(60)"); err != nil {
					return err
				}
			}
			if err := insert(ctx, target, tx, string(e.Data)); err != nil {
				return err
			}
		}
		return nil
	}
	put(t, r.DB, "a1", "b2", "c3", "b4")
	background(t, "consumer", func(ctx context.Context) error { return r.ConsumeInto(ctx, c) })
	eventually(t, "3 is applied", func() bool { return effects(t, calm, "3") == 1 && cursorAt(t, r.DB, "c") == 4 })
	parked, err := r.DB.Parked(t.Context(), "c")
	if wantCode(t, err, 0); len(parked) != 2 || parked[0].Position != 2 || !strings.Contains(parked[0].Error, "57014") {
		t.Errorf("parked are %+v", parked)
	}
	wantCode(t, r.DB.Discard(t.Context(), "c", "b", 2), 0)
	eventually(t, "4 is applied", func() bool { return effects(t, calm, "4") == 1 })
}

// TestTargetThatIsSlow: where it is a lock that takes an event too long, or what is
// ours, the event waits for as long as it takes.
func TestTargetThatIsSlow(t *testing.T) {
	for name, hold := range map[string]string{
		"a lock":    "LOCK TABLE $S.effect IN ACCESS EXCLUSIVE MODE",
		"the place": "INSERT INTO $S.applied (name, position) VALUES ('c', 0); LOCK TABLE $S.applied IN ACCESS EXCLUSIVE MODE",
		"by turns":  "SELECT 1",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of it is waiting
			r, target, calm := hurried(t, "100")
			c := into(t, target, nil)
			holds := begin(t, calm, pgx.ReadCommitted)
			if _, err := holds.Exec(t.Context(), strings.ReplaceAll(hold, "$S", target.Schema), pgx.QueryExecModeSimpleProtocol); err != nil {
				t.Fatal(err)
			}
			var given, done atomic.Int64
			c.Attempts = 3
			c.Apply = func(ctx context.Context, tx pgx.Tx, events []pg.Event) error {
				n := given.Add(1)
				switch {
				case name != "by turns" || done.Load() > 0:
				case n%2 == 0:
					return raise(ctx, tx, "53200")
				default:
					return raise(ctx, tx, "57014")
				}
				return insert(ctx, target, tx, string(events[0].Data))
			}
			put(t, r.DB, "a1")
			background(t, "consumer", func(ctx context.Context) error { return r.ConsumeInto(ctx, c) })
			began := time.Now()
			eventually(t, "it was given for long", func() bool {
				return time.Since(began) > 15*r.TTL && (name == "the place" || given.Load() > 8)
			})
			done.Store(1)
			commit(t, holds)
			eventually(t, "the event is applied", func() bool { return cursorAt(t, r.DB, "c") == 1 })
			parked, err := r.DB.Parked(t.Context(), "c")
			if wantCode(t, err, 0); len(parked) != 0 || effects(t, calm, "1") != 1 {
				t.Errorf("%d effects, and parked are %+v", effects(t, calm, "1"), parked)
			}
		})
	}
}
