package pg_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
)

// taker is a consumer that remembers what it took, and fails on command.
type taker struct {
	mu    sync.Mutex
	took  []string
	fails func(e pg.Event) error
}

func (k *taker) deliver(_ context.Context, events []pg.Event) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, e := range events {
		if k.fails != nil {
			if err := k.fails(e); err != nil {
				return err
			}
		}
	}
	for _, e := range events {
		k.took = append(k.took, e.Stream+string(e.Data))
	}
	return nil
}

func (k *taker) set(fails func(pg.Event) error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.fails = fails
}

func (k *taker) list() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return strings.Join(k.took, " ")
}

func (k *taker) wants(t *testing.T, want string) {
	t.Helper()
	got := ""
	deadline := time.Now().Add(20 * time.Second)
	for tick := time.NewTicker(5 * time.Millisecond); time.Now().Before(deadline); <-tick.C {
		if got = k.list(); got == want {
			return
		}
	}
	t.Fatalf("the consumer took %q, want %q", got, want)
}

// put commits events, each a stream of one letter and data.
func put(t *testing.T, db *pg.DB, names ...string) {
	t.Helper()
	wantCode(t, pgx.BeginFunc(t.Context(), db.Pool, func(tx pgx.Tx) error {
		for _, n := range names {
			appendEvent(t, db, tx, n[:1], n[1:])
		}
		return nil
	}), 0)
}

func cursorAt(t *testing.T, db *pg.DB, name string) int64 {
	t.Helper()
	return number(t, db, "SELECT coalesce((SELECT position FROM $S.cursor WHERE name = $1), -1)", name)
}

// TestConsume: what is committed arrives in order; a new consumer begins where it
// says; one that stops goes on where it was.
func TestConsume(t *testing.T) {
	for _, listen := range []bool{true, false} {
		t.Run(fmt.Sprintf("listen %t", listen), func(t *testing.T) {
			db := open(t)
			r := relaying(t, db, listen)
			put(t, db, "a1", "b1")
			numbered(t, db, 2)
			var all, fresh taker
			stop := background(t, "all", func(ctx context.Context) error {
				return r.Consume(ctx, pg.Consumer{Name: "all", Deliver: all.deliver, Max: 2})
			})
			background(t, "fresh", func(ctx context.Context) error {
				return r.Consume(ctx, pg.Consumer{Name: "fresh", Deliver: fresh.deliver, FromEnd: true})
			})
			eventually(t, "both have begun", func() bool { return cursorAt(t, db, "fresh") == 2 && cursorAt(t, db, "all") == 2 })
			put(t, db, "a2", "a3", "b2")
			all.wants(t, "a1 b1 a2 a3 b2")
			fresh.wants(t, "a2 a3 b2")
			eventually(t, "the cursor is behind all", func() bool { return cursorAt(t, db, "all") == 5 })
			stop()
			put(t, db, "a4")
			fresh.wants(t, "a2 a3 b2 a4")
			background(t, "all again", func(ctx context.Context) error {
				return r.Consume(ctx, pg.Consumer{Name: "all", Deliver: all.deliver})
			})
			all.wants(t, "a1 b1 a2 a3 b2 a4")
		})
	}
}

// TestPoison: an event that is never taken is parked, with what comes after it
// in its stream; other streams go on; Retry and Discard let the stream go on, in
// its order.
func TestPoison(t *testing.T) {
	db := open(t)
	r := relaying(t, db, true)
	var k taker
	poison := func(names ...string) func(pg.Event) error {
		return func(e pg.Event) error {
			for _, n := range names {
				if e.Stream+string(e.Data) == n {
					return errors.New("cannot take " + n)
				}
			}
			return nil
		}
	}
	k.set(poison("a1", "a3"))
	background(t, "consumer", func(ctx context.Context) error {
		return r.Consume(ctx, pg.Consumer{Name: "c", Deliver: k.deliver, Attempts: 2})
	})
	put(t, db, "b1", "a1", "b2", "a2", "b3")
	k.wants(t, "b1 b2 b3")
	put(t, db, "a3", "b4", "a4", "a5")
	k.wants(t, "b1 b2 b3 b4")
	eventually(t, "the cursor is behind what is parked", func() bool { return cursorAt(t, db, "c") == 9 })
	parked, err := db.Parked(t.Context(), "c")
	wantCode(t, err, 0)
	if len(parked) != 5 || parked[0].Position != 2 || !strings.Contains(parked[0].Error, "cannot take a1") || string(parked[4].Data) != "5" {
		t.Fatalf("parked are %+v", parked)
	}
	// Asked for while the cause is still there, it is parked again.
	_, err = db.Retry(t.Context(), "c", "a")
	wantCode(t, err, 0)
	eventually(t, "it was given again, and parked again", func() bool {
		parked, err := db.Parked(t.Context(), "c")
		return err == nil && len(parked) == 5 && !parked[0].Again
	})
	k.wants(t, "b1 b2 b3 b4")
	k.set(poison("a3"))
	n, err := db.Retry(t.Context(), "c", "a")
	if wantCode(t, err, 0); n != 5 {
		t.Errorf("Retry found %d events", n)
	}
	k.wants(t, "b1 b2 b3 b4 a1 a2")
	wantCode(t, db.Discard(t.Context(), "c", "a", 99), mainstem.Invalid)
	eventually(t, "a3 is parked alone", func() bool {
		parked, err := db.Parked(t.Context(), "c")
		return err == nil && len(parked) == 3 && !parked[0].Again
	})
	wantCode(t, db.Discard(t.Context(), "c", "a", 6), 0)
	k.wants(t, "b1 b2 b3 b4 a1 a2 a4 a5")
	put(t, db, "a6", "b5")
	eventually(t, "the stream goes on", func() bool { return strings.HasSuffix(k.list(), "a6 b5") || strings.HasSuffix(k.list(), "b5 a6") })
}

// TestPatience: while the way fails, nothing is parked, for as long as it takes.
// A panic is the event's.
func TestPatience(t *testing.T) {
	db := open(t)
	r := relaying(t, db, true)
	var k taker
	tries := 0
	k.set(func(e pg.Event) error {
		switch tries++; {
		case tries < 8:
			return mainstem.Errorf(mainstem.Unavailable, "the sink is down")
		case string(e.Data) == "2":
			panic("on purpose")
		}
		return nil
	})
	background(t, "consumer", func(ctx context.Context) error {
		return r.Consume(ctx, pg.Consumer{Name: "c", Deliver: k.deliver, Attempts: 2})
	})
	put(t, db, "a1", "b2", "c3")
	k.wants(t, "a1 c3")
	parked, err := db.Parked(t.Context(), "c")
	if wantCode(t, err, 0); len(parked) != 1 || !strings.Contains(parked[0].Error, "on purpose") {
		t.Errorf("parked are %+v", parked)
	}
}

// TestTakeOver: a consumer that was paused while another took over cannot move
// the cursor, nor a relay number.
func TestTakeOver(t *testing.T) {
	db := open(t)
	relaying(t, db, true)
	paused, inside := make(chan struct{}), make(chan struct{})
	said := &strings.Builder{}
	old := &pg.Relay{DB: db, TTL: time.Second, Logger: slog.New(slog.NewTextHandler(said, nil))}
	stop := background(t, "the old one", func(ctx context.Context) error {
		return old.Consume(ctx, pg.Consumer{Name: "c", Deliver: func(context.Context, []pg.Event) error {
			close(inside)
			<-paused
			return nil // and now it moves the cursor, back to 1
		}})
	})
	put(t, db, "a1")
	<-inside
	// As if it had been stopped for longer than its TTL: its lease has run out,
	// and it cannot renew it.
	run(t, db, "UPDATE "+db.Schema+".lease SET until = '-infinity' WHERE name = '~cursor/c'")
	var k taker
	fresh := &pg.Relay{DB: db, TTL: time.Second}
	background(t, "the new one", func(ctx context.Context) error {
		return fresh.Consume(ctx, pg.Consumer{Name: "c", Deliver: k.deliver})
	})
	k.wants(t, "a1")
	put(t, db, "a2")
	k.wants(t, "a1 a2")
	eventually(t, "the cursor has moved", func() bool { return cursorAt(t, db, "c") == 2 })
	close(paused)
	eventually(t, "the old one waits for its lease again", func() bool {
		return number(t, db, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%' || $1 || '%acquire%' AND state = 'idle'", db.Schema) > 0
	})
	stop()
	if got := cursorAt(t, db, "c"); got != 2 || !strings.Contains(said.String(), "fenced") {
		t.Errorf("the cursor is at %d, and the old one said %s", got, said)
	}
	var n int64
	err := db.Pool.QueryRow(t.Context(), "SELECT numbered FROM "+db.Schema+".drain(1)").Scan(&n)
	if err == nil || !strings.Contains(err.Error(), "MS001") {
		t.Errorf("a relay with an old token numbers: %v", err)
	}
}

// TestForget: a cursor that is deleted ends its consumer, and keeps nothing.
func TestForget(t *testing.T) {
	db := open(t)
	r := relaying(t, db, true)
	put(t, db, "a1", "b2")
	ended := make(chan error)
	go func() {
		ended <- r.Consume(t.Context(), pg.Consumer{Name: "c", Attempts: 1, Deliver: func(context.Context, []pg.Event) error {
			return mainstem.Errorf(mainstem.Invalid, "never")
		}})
	}()
	eventually(t, "both are parked", func() bool { return cursorAt(t, db, "c") == 2 })
	wantCode(t, db.Forget(t.Context(), "c"), 0)
	wantCode(t, db.Forget(t.Context(), "c"), mainstem.Invalid)
	put(t, db, "a3")
	wantCode(t, <-ended, mainstem.Invalid)
	if parked, err := db.Parked(t.Context(), "c"); err != nil || len(parked) > 0 || cursorAt(t, db, "c") != -1 {
		t.Errorf("%d events are parked still (%v), the cursor is at %d", len(parked), err, cursorAt(t, db, "c"))
	}
}
