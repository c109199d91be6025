package pg_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/proxy"
	"github.com/mainstemdb/mainstem/pg"
)

// into is a consumer that writes each event's data into the target's table; what
// poison names fails.
func into(t *testing.T, target *pg.DB, poison func() string) pg.Into {
	return pg.Into{
		Consumer: pg.Consumer{Name: "c", Max: 3, Attempts: 1}, Target: target,
		Apply: func(ctx context.Context, tx pgx.Tx, events []pg.Event) error {
			for _, e := range events {
				if string(e.Data) == poison() {
					return errors.New("cannot apply " + string(e.Data))
				}
				if _, err := tx.Exec(ctx, "INSERT INTO "+target.Schema+".effect VALUES ($1::text)", string(e.Data)); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// TestConsumeInto: effects and place commit together, so each event has its
// effects once: when the answer to the target's COMMIT is lost, when the source's
// cursor is set back, and when an event was parked and is given again.
func TestConsumeInto(t *testing.T) {
	db, target := open(t), open(t)
	p := proxied(t, running(t))
	r := relaying(t, db, true)
	poison := make(chan string, 1)
	poison <- "5"
	peek := func() string { s := <-poison; poison <- s; return s }
	consume := func(ctx context.Context) error { return r.ConsumeInto(ctx, into(t, through(t, target, p), peek)) }
	stop := background(t, "consumer", consume)
	once := func(names ...string) {
		t.Helper()
		for _, name := range names {
			eventually(t, name+" is applied", func() bool { return effects(t, target, name) > 0 })
			if n := effects(t, target, name); n != 1 {
				t.Errorf("event %s has its effects %d times", name, n)
			}
		}
	}
	put(t, db, "a1", "a2")
	once("1", "2")
	p.LoseOnce(commitMessage, proxy.LoseAnswer)
	put(t, db, "a3", "b4")
	once("3", "4")
	stop()
	run(t, db, "UPDATE $S.cursor SET position = 0") // as if none of its moves had been kept
	background(t, "consumer again", consume)
	put(t, db, "a5", "b6")
	once("6")
	eventually(t, "5 is parked", func() bool { return cursorAt(t, db, "c") == 6 })
	<-poison
	poison <- ""
	_, err := db.Retry(t.Context(), "c", "a")
	wantCode(t, err, 0)
	put(t, db, "a7")
	once("1", "2", "3", "4", "5", "6", "7")
	if n := number(t, target, "SELECT count(*) FROM $S.effect"); n != 7 {
		t.Errorf("%d effects of 7 events", n)
	}
}

// TestParkedIsAppliedOnce: a parked event that is given again has its effects once,
// also where it cannot be taken off the list then, and is given once more.
func TestParkedIsAppliedOnce(t *testing.T) {
	db, target := open(t), open(t)
	r := relaying(t, db, true)
	poison := make(chan string, 1)
	poison <- "1"
	background(t, "consumer", func(ctx context.Context) error {
		return r.ConsumeInto(ctx, into(t, target, func() string { s := <-poison; poison <- s; return s }))
	})
	put(t, db, "a1")
	parked := func() int64 { return number(t, db, "SELECT count(*) FROM $S.parked") }
	eventually(t, "1 is parked", func() bool { return parked() == 1 })
	run(t, db, `CREATE SEQUENCE $S.refused;
		CREATE FUNCTION $S.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('$S.refused'); RAISE 'not now'; END $$;
		CREATE TRIGGER refuse BEFORE DELETE ON $S.parked FOR EACH ROW EXECUTE FUNCTION $S.refuse()`)
	<-poison
	poison <- ""
	_, err := db.Retry(t.Context(), "c", "a")
	wantCode(t, err, 0)
	eventually(t, "it was given again, and again", func() bool { return number(t, db, "SELECT last_value FROM $S.refused") > 1 })
	run(t, db, "DROP TRIGGER refuse ON $S.parked")
	eventually(t, "it is off the list", func() bool { return parked() == 0 })
	if n := effects(t, target, "1"); n != 1 {
		t.Errorf("the event has its effects %d times", n)
	}
}

// TestHistoryLost: the target has effects of events that the source no longer
// has, after a failover to a standby that lacked them. The consumer says so, and
// applies nothing on top.
func TestHistoryLost(t *testing.T) {
	db, target := open(t), open(t)
	r := &pg.Relay{DB: db, TTL: time.Second, Poll: time.Millisecond}
	stop := background(t, "relay", r.Run)
	put(t, db, "a1", "a2")
	numbered(t, db, 2)
	stopConsumer := background(t, "consumer", func(ctx context.Context) error {
		return r.ConsumeInto(ctx, into(t, target, func() string { return "" }))
	})
	eventually(t, "both are applied", func() bool { return cursorAt(t, db, "c") == 2 })
	stopConsumer()
	stop()
	// The standby had only the first, and a new timeline has begun.
	run(t, db, "DELETE FROM $S.numbered WHERE position = 2; DELETE FROM $S.event WHERE id = 2; UPDATE $S.cursor SET position = 1; UPDATE $S.relay SET last = 1, home = split_part(home, '/', 1) || '/0'")
	relaying(t, db, true)
	put(t, db, "a3")
	numbered(t, db, 2)
	err := r.ConsumeInto(t.Context(), into(t, target, func() string { return "" }))
	wantCode(t, err, mainstem.HistoryLost)
	if n := number(t, target, "SELECT count(*) FROM $S.effect"); n != 2 {
		t.Errorf("%d effects", n)
	}
	wantCode(t, target.Forget(t.Context(), "c"), 0)
	background(t, "consumer again", func(ctx context.Context) error {
		return r.ConsumeInto(ctx, into(t, target, func() string { return "" }))
	})
	eventually(t, "it goes on", func() bool { return effects(t, target, "3") == 1 })
}

// TestTargetThatBreaks: a connection that breaks, or a transaction that has to be
// run again, while events are applied is no fault of theirs: nothing is parked.
func TestTargetThatBreaks(t *testing.T) {
	db, target := open(t), open(t)
	r := relaying(t, db, true)
	calls := 0
	c := into(t, target, func() string { return "" })
	apply := c.Apply
	c.Apply = func(ctx context.Context, tx pgx.Tx, events []pg.Event) error {
		switch calls++; {
		case calls < 4:
			if err := tx.Conn().Close(ctx); err != nil {
				return err
			}
		case calls < 8:
			if _, err := tx.Exec(ctx, "DO $$ BEGIN RAISE EXCEPTION 'on purpose' USING ERRCODE = '40001'; END $$"); err != nil {
				return err
			}
		}
		return apply(ctx, tx, events)
	}
	appliesOne(t, r, c)
}

// TestTwoRestoresOfOneDump count on from the same position, each on its own: a target
// of the one takes nothing of the other.
func TestTwoRestoresOfOneDump(t *testing.T) {
	db, target := open(t), open(t)
	r := relaying(t, db, false)
	put(t, db, "a1", "a2")
	stop := background(t, "consumer", func(ctx context.Context) error {
		return r.ConsumeInto(ctx, into(t, target, func() string { return "" }))
	})
	eventually(t, "both are applied", func() bool { return cursorAt(t, db, "c") == 2 })
	stop()
	run(t, db, "UPDATE $S.era SET home = '1/1'") // as the other has it, which has given 2 as well
	put(t, db, "a3")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err := r.ConsumeInto(ctx, into(t, target, func() string { return "" }))
	wantCode(t, err, mainstem.HistoryLost)
	if n := number(t, target, "SELECT count(*) FROM $S.effect"); n != 2 {
		t.Errorf("%d effects", n)
	}
}

// TestConsumeIntoItsOwnPool: where source and target are one pool, however small, nobody
// holds a connection while it waits for another one.
func TestConsumeIntoItsOwnPool(t *testing.T) {
	db := openOn(t, running(t), func(c *pgxpool.Config) { c.MaxConns = 1 })
	r := relaying(t, db, false)
	background(t, "consumer", func(ctx context.Context) error {
		return r.ConsumeInto(ctx, into(t, db, func() string { return "" }))
	})
	put(t, db, "a1", "a2", "a3")
	eventually(t, "3 is applied", func() bool { return effects(t, db, "3") == 1 })
}

// appliesOne appends an event, and sees it applied once in the target, and not parked.
func appliesOne(t *testing.T, r *pg.Relay, into pg.Into, mended ...func()) {
	t.Helper()
	background(t, "consumer", func(ctx context.Context) error { return r.ConsumeInto(ctx, into) })
	put(t, r.DB, "a1")
	for _, mend := range mended {
		mend()
	}
	eventually(t, "the cursor has moved", func() bool { return cursorAt(t, r.DB, into.Name) == 1 })
	parked, err := r.DB.Parked(t.Context(), into.Name)
	if wantCode(t, err, 0); len(parked) != 0 || effects(t, into.Target, "1") != 1 {
		t.Errorf("%d events are parked, %d effects", len(parked), effects(t, into.Target, "1"))
	}
}

// TestTargetLacksWhatIsOurs: what a statement of ours misses in the target is no fault of
// the events: they wait until it is there, and nothing is parked.
func TestTargetLacksWhatIsOurs(t *testing.T) {
	for _, function := range []string{"applied_at", "applied_to"} {
		t.Run(function, func(t *testing.T) {
			t.Parallel()
			db, target := open(t), open(t)
			relaying(t, db, true)
			said := &lines{}
			r := &pg.Relay{DB: db, Poll: 2 * time.Millisecond, TTL: time.Second, Logger: slog.New(slog.NewTextHandler(said, nil))}
			run(t, target, "ALTER FUNCTION $S."+function+" RENAME TO gone")
			appliesOne(t, r, into(t, target, func() string { return "" }), func() {
				eventually(t, "the consumer waits", func() bool { return strings.Count(said.String(), "cannot deliver for now") > 2 })
				run(t, target, "ALTER FUNCTION $S.gone RENAME TO "+function)
			})
		})
	}
}
