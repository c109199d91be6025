package pgcluster_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/proxy"
	"github.com/mainstemdb/mainstem/pg"
	"github.com/mainstemdb/mainstem/pgcluster"
)

func (w *world) takeover() pgcluster.Takeover {
	return pgcluster.Takeover{From: w.pg.Schema, To: w.log}
}

func (w *world) take() *pgcluster.Report {
	w.Helper()
	conn, err := w.connect(server.On(w).DSN())
	w.must(err)
	r, err := pgcluster.TakeOver(w.Context(), conn, w.takeover())
	w.must(err)
	return r
}

// consume takes events as a consumer, until it has the one of that data.
func (w *world) consume(name, until string) (took []string) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 20*time.Second)
	defer cancel()
	relay := &pg.Relay{DB: w.pg, TTL: 200 * time.Millisecond}
	numbered := make(chan error, 1)
	go func() { numbered <- relay.Run(ctx) }()
	err := relay.Consume(ctx, pg.Consumer{Name: name, Max: 1, Deliver: func(_ context.Context, events []pg.Event) error {
		took = append(took, fmt.Sprintf("%d:%s", events[0].Position, events[0].Data))
		if string(events[0].Data) == until {
			// Its place is kept after this, and the next delivery ends it.
			return nil
		}
		if len(took) > 1 && strings.HasSuffix(took[len(took)-2], ":"+until) {
			took = took[:len(took)-1]
			cancel()
			return ctx.Err()
		}
		return nil
	}})
	w.must(err)
	w.must(<-numbered)
	return took
}

// follow takes so many changes as the follower of that name.
func follow(t *testing.T, db *mainstem.DB, name string, many int) (took []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	enough := errors.New("enough")
	work, stop := context.WithCancelCause(ctx)
	err := db.Follow(work, name, mainstem.Match{}, func(_ context.Context, _ *mainstem.Txn, batch []mainstem.Change) error {
		for _, c := range batch {
			for _, e := range c.Effects {
				for _, event := range e.Events {
					took = append(took, fmt.Sprintf("%s:%s", c.Position, event.Data))
				}
			}
		}
		if len(took) >= many {
			stop(enough)
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Fatalf("follower %s ended with %v after %v", name, err, took)
	}
	return took
}

// TestTakeOver: consumers go on as followers, each where it was, under the same
// positions; nothing is skipped and nothing repeated.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 6 {
		w.must(w.stage("order", fmt.Sprint("e", i+1)))
	}
	w.must(pgx.BeginFunc(t.Context(), w.pg.Pool, func(tx pgx.Tx) error {
		_, err := pg.AppendVersioned(t.Context(), w.pg.In(tx), "account", 0, mainstem.Event{Type: "opened", Data: []byte("v1")}, mainstem.Event{Type: "paid", Data: []byte("v2")})
		return err
	}))
	w.consume("mail", "e3")
	w.consume("stock", "e5")
	w.must(w.stage("order", "staged")) // nobody has numbered it

	conn, err := w.connect(server.On(t).DSN())
	w.must(err)
	seen, err := pgcluster.Check(t.Context(), conn, w.takeover())
	w.must(err)
	if seen.After != 3 || seen.Last != 8 || seen.Consumers != 2 || seen.Streams != 1 {
		t.Fatalf("checked: %+v", seen)
	}
	tried, err := pgcluster.Rehearse(t.Context(), conn, w.takeover())
	w.must(err)
	w.must(w.stage("order", "later"))
	done := w.take()
	if tried.After != 3 || tried.Last != 9 || done.After != 3 || done.Last != 10 || done.Consumers != 2 {
		t.Fatalf("rehearsed %+v, done %+v", tried, done)
	}
	again := w.take()
	if again.Before == nil || again.Last != 10 {
		t.Fatalf("again: %+v", again)
	}

	db := w.node("a", server.On(t).DSN())
	receipt, err := db.Group(pgcluster.DefaultGroup).Do(t.Context(), "order-8", func(tx *mainstem.Txn) error {
		tx.Append("order", mainstem.Event{Type: "made", Data: []byte("new")})
		return nil
	})
	w.must(err)
	rest := []string{"4:e4", "5:e5", "6:e6", "7:v1", "8:v2", "9:staged", "10:later", receipt.Position.String() + ":new"}
	for name, want := range map[string][]string{"mail": rest, "stock": rest[2:]} {
		if got := follow(t, db.DB, name, len(want)); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("follower %s took %v, want %v", name, got, want)
		}
	}
	g := db.Group(pgcluster.DefaultGroup)
	v, err := g.View(t.Context(), mainstem.Latest())
	w.must(err)
	length, err := v.Length(t.Context(), "account")
	w.must(v.Close())
	if err != nil || length != 2 {
		t.Errorf("stream account has version %d (%v), want 2", length, err)
	}
	// A repetition of what was an event of package pg's is known by its ID (L5).
	known, err := g.Do(t.Context(), "pg/"+w.pg.Schema+"/5", func(*mainstem.Txn) error { return errors.New("it runs again") })
	if err != nil || !known.Replayed || known.Position != 5 {
		t.Errorf("event 5 is answered %+v, %v", known, err)
	}
	if _, err := time.Parse(time.RFC3339Nano, string(known.Reply)); err != nil {
		t.Errorf("the reply of event 5 is no time: %v", err)
	}
}

// TestBelowIsTrimmed: positions that package pg gave, and every consumer has taken,
// stay its own (L1).
func TestBelowIsTrimmed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 4 {
		w.must(w.stage("order", fmt.Sprint("e", i+1)))
	}
	w.consume("mail", "e2")
	w.take()
	db := w.node("a", server.On(t).DSN())
	v, err := db.Group("pg").View(t.Context(), mainstem.AsOf(3))
	w.must(err)
	w.must(v.Close())
	for _, p := range []mainstem.Position{1, 2} {
		_, err := db.Group("pg").View(t.Context(), mainstem.AsOf(p))
		wants(t, err, mainstem.Trimmed, "goes on from a history outside, which ended at 2")
	}
	for _, err := range db.Changes(t.Context(), mainstem.From{After: mainstem.NewToken(mainstem.Mark{Position: 1}), Drain: true}) {
		wants(t, err, mainstem.Trimmed, "it begins at 3")
	}
}

// TestStoppedAfterwards: whoever still works with package pg's events is told where
// they went, also in a snapshot from before; its other tables serve on.
func TestStoppedAfterwards(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(w.stage("order", "e1"))
	old, err := w.pg.Pool.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	w.must(err)
	t.Cleanup(func() { _ = old.Rollback(context.Background()) })
	var one int
	w.must(old.QueryRow(t.Context(), "SELECT 1").Scan(&one))
	w.must(old.QueryRow(t.Context(), "SELECT count(*) FROM "+w.table).Scan(&one))
	w.take()
	text := "went to log " + w.log + ", which goes on from position 2"
	wants(t, pg.Append(t.Context(), w.pg.In(old), "order", mainstem.Event{Type: "made"}), mainstem.Stopped, text)
	w.must(old.Rollback(t.Context()))
	sql, err := pg.Schema(w.pg.Schema, "")
	w.must(err)
	w.sql(sql) // run again, it opens nothing
	wants(t, w.stage("order", "e2"), mainstem.Stopped, text)
	wants(t, w.run("order", "e2"), mainstem.Stopped, text)
	relay := &pg.Relay{DB: w.pg, TTL: time.Second}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	wants(t, relay.Run(ctx), mainstem.Stopped, text)
	wants(t, relay.Consume(ctx, pg.Consumer{Name: "mail", Deliver: func(context.Context, []pg.Event) error { return nil }}), mainstem.Stopped, text)
	reply, err := w.pg.Run(t.Context(), pg.Request{Key: "k"}, func(context.Context, pgx.Tx) ([]byte, error) { return []byte("done"), nil })
	if err != nil || string(reply.Body) != "done" {
		t.Errorf("a request is answered %q, %v", reply.Body, err)
	}
	grant, err := w.pg.Acquire(t.Context(), "nightly", "anna", time.Second)
	w.must(err)
	w.must(w.pg.Release(t.Context(), grant))
	other := w.takeover()
	other.To = newWorld(t).log
	conn, err := w.connect(server.On(t).DSN())
	w.must(err)
	_, err = pgcluster.TakeOver(t.Context(), conn, other)
	wants(t, err, mainstem.Exists, w.log)
}

// TestRefused: what a takeover cannot carry over, it says before anything is done.
func TestRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(w.stage("order", "e1"))
	conn, err := w.connect(server.On(t).DSN())
	w.must(err)
	refused := func(code mainstem.Code, text string, change func(*pgcluster.Takeover)) {
		t.Helper()
		to := w.takeover()
		if change != nil {
			change(&to)
		}
		_, err := pgcluster.TakeOver(t.Context(), conn, to)
		wants(t, err, code, text)
		if _, err := pgcluster.Check(t.Context(), conn, to); code == mainstem.Invalid {
			wants(t, err, code, text)
		}
		w.must(w.stage("order", "more"))
	}
	refused(mainstem.Invalid, "cluster schema", func(to *pgcluster.Takeover) { to.To = "nowhere" })
	refused(mainstem.Invalid, "pg schema", func(to *pgcluster.Takeover) { to.From = "nowhere" })
	refused(mainstem.Invalid, "begins with ~", func(to *pgcluster.Takeover) { to.Group = "~mine" })
	refused(mainstem.Invalid, "between 1ms and 1h0m0s", func(to *pgcluster.Takeover) { to.LockTimeout = pgcluster.MaxLockTimeout + 1 })
	w.sql("INSERT INTO " + w.pg.Schema + ".cursor VALUES ('a/b', 1)")
	refused(mainstem.Invalid, "may not have", nil)
	w.sql("DELETE FROM " + w.pg.Schema + ".cursor")
	w.sql("INSERT INTO " + w.pg.Schema + ".parked VALUES ('mail', 'order', 1, NULL, 'made', '', '', '', '', now(), 'no')")
	refused(mainstem.Invalid, "1 events of schema", nil)
	w.sql("DELETE FROM " + w.pg.Schema + ".parked")
	open, err := w.pg.Pool.Begin(t.Context())
	w.must(err)
	w.must(pg.Append(t.Context(), w.pg.In(open), "order", mainstem.Event{Type: "made"}))
	refused(mainstem.RetryTransaction, "lock timeout", func(to *pgcluster.Takeover) { to.LockTimeout = 50 * time.Millisecond })
	w.must(open.Rollback(t.Context()))
	w.node("a", server.On(t).DSN())
	refused(mainstem.Invalid, "only an empty one", nil)
}

// TestKilledAtEachStep: the way to the server breaks before, or after, each message
// of a takeover: then it has done nothing, or all.
func TestKilledAtEachStep(t *testing.T) {
	t.Parallel()
	for name, loss := range map[string]proxy.Loss{"before": proxy.LoseIt, "after": proxy.LoseAnswer} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			way, dsn := w.way()
			staged, kills := 0, 0
			for {
				staged++
				if err := w.stage("order", fmt.Sprint(staged)); mainstem.CodeOf(err) == mainstem.Stopped {
					break // the kill before was one too late
				} else if err != nil {
					t.Fatal(err)
				}
				if n := w.number("SELECT tail FROM " + w.log + ".log"); n != 0 {
					t.Fatalf("killed at message %d: the log has %d records, and events are still staged", kills, n)
				}
				kills++
				if r := w.killed(way, dsn, kills, loss); r != nil {
					break
				}
			}
			if kills < 20 {
				t.Fatalf("only %d kills", kills)
			}
			r := w.take()
			if r.Before == nil {
				t.Fatalf("done, and not known: %+v", r)
			}
			db := w.node("a", server.On(t).DSN())
			var got []string
			for batch, err := range db.Changes(t.Context(), mainstem.From{Drain: true}) {
				w.must(err)
				for _, c := range batch.Changes {
					got = append(got, fmt.Sprintf("%s:%s", c.Position, c.Effects[0].Events[0].Data))
				}
			}
			for i, text := range got {
				if want := fmt.Sprintf("%d:%d", i+1, i+1); text != want {
					t.Fatalf("change %d is %s, want %s", i, text, want)
				}
			}
			if len(got) != int(r.Last) || len(got) < kills-1 {
				t.Fatalf("%d changes after %d kills: %+v", len(got), kills, r)
			}
		})
	}
}

// killed runs a takeover whose way breaks at the nth message; nil if it has failed.
func (w *world) killed(way *proxy.Proxy, dsn string, nth int, loss proxy.Loss) *pgcluster.Report {
	n := 0
	way.Lose(func([]byte) proxy.Loss {
		if n++; n == nth {
			return loss
		}
		return proxy.Keep
	})
	conn, err := w.connect(dsn)
	if err != nil {
		return nil
	}
	r, err := pgcluster.TakeOver(w.Context(), conn, w.takeover())
	if err != nil {
		return nil
	}
	return r
}
