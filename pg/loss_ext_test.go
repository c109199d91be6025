package pg_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
)

// pay is a request with an effect and an event.
func pay(t *testing.T, db *pg.DB, key string) pg.Reply {
	t.Helper()
	reply, err := db.Run(t.Context(), pg.Request{Key: key}, func(_ context.Context, tx pgx.Tx) ([]byte, error) {
		effect(t, db, tx, key)
		appendEvent(t, db, tx, "s", key)
		return []byte(key), nil
	})
	wantCode(t, err, 0)
	return reply
}

// TestFailoverThatLosesCommits: the standby that takes over lacks the end. What was
// lost is lost whole, so that a repeated request runs again; no position and no
// token means something else than before; a consumer that is ahead is told.
func TestFailoverThatLosesCommits(t *testing.T) {
	p := newPair(t)
	db, target := p.readers.DB, open(t)
	if f := finding(t, db, "standbys"); f.Code != mainstem.Weak {
		t.Errorf("check says %+v of a standby that nothing waits for", f)
	}
	var k taker
	stop := []func(){
		background(t, "relay", (&pg.Relay{DB: db, Poll: time.Millisecond, TTL: time.Second}).Run),
		background(t, "consumer", func(ctx context.Context) error {
			return (&pg.Relay{DB: db, TTL: time.Second}).Consume(ctx, pg.Consumer{Name: "go", Deliver: k.deliver})
		}),
		background(t, "into", func(ctx context.Context) error {
			return (&pg.Relay{DB: db, TTL: time.Second}).ConsumeInto(ctx, into(t, target, func() string { return "" }))
		}),
	}
	applied := func(n int64) {
		t.Helper()
		eventually(t, "the effects are there", func() bool { return number(t, target, "SELECT count(*) FROM $S.effect") == n })
	}
	pay(t, db, "kept")
	k.wants(t, "skept")
	applied(1)
	eventually(t, "the cursors have moved", func() bool { return cursorAt(t, db, "go") == 1 && cursorAt(t, db, "c") == 1 })
	p.caughtUp(t)
	p.cutOff(t)
	pay(t, db, "lost")
	k.wants(t, "skept slost")
	applied(2)
	before, err := db.Acquire(t.Context(), "l", "ann", time.Minute)
	wantCode(t, err, 0)
	for _, end := range stop {
		end()
	}
	lost, err := db.Events(t.Context(), 1, 1)
	if wantCode(t, err, 0); len(lost) != 1 {
		t.Fatal(lost)
	}
	if err := p.primary.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := p.standby.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}

	there := sameOn(t, db, p.standby)
	relaying(t, there, true)
	if reply := pay(t, there, "kept"); !reply.Replayed {
		t.Error("a request that was kept has run again")
	}
	if reply := pay(t, there, "lost"); reply.Replayed || effects(t, there, "lost") != 1 {
		t.Errorf("a request that was lost: %+v", reply)
	}
	events := numbered(t, there, 2)
	if got := positions(events); got != "kept@0.1 lost@1.0 " {
		t.Errorf("events are at %s; 0.2 was given to one that is lost", got)
	}
	after, err := there.Acquire(t.Context(), "l", "bob", time.Minute)
	if wantCode(t, err, 0); after.Token <= before.Token {
		t.Errorf("token %d after the failover, %d before", after.Token, before.Token)
	}
	background(t, "consumer", func(ctx context.Context) error {
		return (&pg.Relay{DB: there, TTL: time.Second}).Consume(ctx, pg.Consumer{Name: "go", Deliver: k.deliver})
	})
	k.wants(t, "skept slost slost") // at least once, and under another position
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	wantCode(t, (&pg.Relay{DB: there, TTL: time.Second}).ConsumeInto(ctx, into(t, target, func() string { return "" })), mainstem.HistoryLost)
	applied(2)
}
