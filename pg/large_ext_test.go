package pg_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
)

// TestLargeEventsComeInParts: a batch has no more data than its limit, whoever asks for
// how many events, and a consumer gets all of them all the same.
func TestLargeEventsComeInParts(t *testing.T) {
	const all, fit = 150, pg.LimitEventBytes / mainstem.LimitValue
	db := open(t)
	data := make([]byte, mainstem.LimitValue)
	for range all / 2 {
		wantCode(t, pgx.BeginFunc(t.Context(), db.Pool, func(tx pgx.Tx) error {
			for range 2 {
				if err := pg.Append(t.Context(), db.In(tx), "large", mainstem.Event{Type: "t", Data: data}); err != nil {
					return err
				}
			}
			return nil
		}), 0)
	}
	if n := number(t, db, "SELECT numbered FROM $S.drain(1)"); n != all {
		t.Fatalf("%d events are numbered", n)
	}
	for _, c := range []struct {
		after mainstem.Position
		want  int
	}{{0, fit}, {fit, fit}, {2 * fit, all - 2*fit}, {all, 0}} {
		events, err := db.Events(t.Context(), c.after, pg.LimitEvents)
		if wantCode(t, err, 0); len(events) != c.want || c.want > 0 && events[0].Position != c.after+1 {
			t.Errorf("after %d there are %d events, want %d", c.after, len(events), c.want)
		}
	}
	var next, most atomic.Int64
	stop := background(t, "consumer", func(ctx context.Context) error {
		return (&pg.Relay{DB: db}).Consume(ctx, pg.Consumer{Name: "c", Deliver: func(_ context.Context, events []pg.Event) error {
			for _, e := range events {
				if next.Add(1) != int64(e.Position) {
					t.Errorf("event %d is the %dth", e.Position, next.Load())
				}
			}
			most.Store(max(most.Load(), int64(len(events))))
			return nil
		}})
	})
	eventually(t, "all are delivered", func() bool { return next.Load() == all })
	stop()
	if most.Load() > fit {
		t.Errorf("%d large events came at once; %d fit", most.Load(), fit)
	}
}

// TestForgettingHoldsUpNobody: events are numbered while old keys cannot be deleted.
func TestForgettingHoldsUpNobody(t *testing.T) {
	db := open(t)
	tx := begin(t, db, pgx.ReadCommitted)
	if _, err := tx.Exec(t.Context(), "LOCK TABLE "+db.Schema+".request"); err != nil {
		t.Fatal(err)
	}
	relaying(t, db, false)
	put(t, db, "a1")
	numbered(t, db, 1)
	commit(t, tx)
}
