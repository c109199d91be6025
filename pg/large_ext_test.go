package pg_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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

// TestManyParkedHoldUpNobody: while many events are given again that waited behind a
// parked one, those of other streams are delivered, and all keep their order.
func TestManyParkedHoldUpNobody(t *testing.T) {
	const all = 150
	db := open(t)
	r := relaying(t, db, false)
	var mu sync.Mutex
	var took []string
	poison := true
	stop := background(t, "consumer", func(ctx context.Context) error {
		return r.Consume(ctx, pg.Consumer{Name: "c", Attempts: 1, Max: 1, Deliver: func(ctx context.Context, events []pg.Event) error {
			mu.Lock()
			defer mu.Unlock()
			if poison && string(events[0].Data) == "0" {
				return errors.New("poison")
			}
			if events[0].Stream == "many" {
				slow := time.NewTimer(20 * time.Millisecond) // so that all of them take three seconds
				defer slow.Stop()
				<-slow.C
			}
			took = append(took, events[0].Stream+" "+string(events[0].Data))
			return nil
		}})
	})
	for i := range all {
		wantCode(t, pgx.BeginFunc(t.Context(), db.Pool, func(tx pgx.Tx) error {
			appendEvent(t, db, tx, "many", fmt.Sprint(i))
			return nil
		}), 0)
	}
	eventually(t, "all are parked", func() bool { return number(t, db, "SELECT count(*) FROM $S.parked") == all })
	mu.Lock()
	poison = false
	mu.Unlock()
	_, err := db.Retry(t.Context(), "c", "many")
	wantCode(t, err, 0)
	eventually(t, "the first is given again", func() bool { mu.Lock(); defer mu.Unlock(); return len(took) > 0 })
	wantCode(t, pgx.BeginFunc(t.Context(), db.Pool, func(tx pgx.Tx) error { appendEvent(t, db, tx, "other", "x"); return nil }), 0)
	eventually(t, "all are taken", func() bool { mu.Lock(); defer mu.Unlock(); return len(took) == all+1 })
	stop()
	at := slices.Index(took, "other x")
	if at >= all-10 {
		t.Errorf("the other stream's event came as number %d of %d", at+1, len(took))
	}
	for i, e := range slices.Delete(took, at, at+1) {
		if e != fmt.Sprintf("many %d", i) {
			t.Fatalf("number %d is %q", i, e)
		}
	}
}
