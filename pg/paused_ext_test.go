package pg_test

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/pgserver"
	"github.com/mainstemdb/mainstem/internal/proxy"
	"github.com/mainstemdb/mainstem/pg"
)

// TestPausedWithinATransaction: a pod is stopped as soon as it has asked for what
// locks the relay's row, and its connections stay. It held the locks until somebody
// ended its session, and nobody could number events.
func TestPausedWithinATransaction(t *testing.T) {
	var k taker
	for statement, work := range map[string]func(r *pg.Relay) func(context.Context) error{
		"drain(": func(r *pg.Relay) func(context.Context) error { return r.Run },
		"sweep(": func(r *pg.Relay) func(context.Context) error { return r.Run },
		"subscribe(": func(r *pg.Relay) func(context.Context) error {
			return func(ctx context.Context) error { return r.Consume(ctx, pg.Consumer{Name: "c", Deliver: k.deliver}) }
		},
	} {
		t.Run(statement, func(t *testing.T) {
			db := open(t)
			p, paused := proxied(t, running(t)), make(chan struct{})
			stopAfter(p, statement, paused)
			put(t, db, "a1")
			stop := background(t, "paused", work(relayBehind(t, db, p)))
			<-paused
			relaying(t, db, false)
			put(t, db, "a2")
			numbered(t, db, 2)
			p.Resume()
			stop()
		})
	}
}

// TestPausedWhileParking: a transaction of several messages is ended by the server
// when its pod is stopped in the middle, and another one goes on with the consumer.
func TestPausedWhileParking(t *testing.T) {
	db := open(t)
	p, paused := proxied(t, running(t)), make(chan struct{})
	stopAfter(p, ".parked (cursor", paused)
	r := relaying(t, db, false)
	put(t, db, "a1", "b2")
	var k taker
	k.set(func(e pg.Event) error {
		if e.Stream == "a" {
			return mainstem.Errorf(mainstem.Invalid, "never")
		}
		return nil
	})
	consumer := pg.Consumer{Name: "c", Attempts: 1, Deliver: k.deliver}
	stop := background(t, "paused", func(ctx context.Context) error { return relayBehind(t, db, p).Consume(ctx, consumer) })
	<-paused
	background(t, "consumer", func(ctx context.Context) error { return r.Consume(ctx, consumer) })
	k.wants(t, "b2")
	p.Resume()
	stop()
}

// TestPausedWhileApplying: the same of a target's transaction, in which the user's
// function is when its pod is stopped.
func TestPausedWhileApplying(t *testing.T) {
	db, target := open(t), open(t)
	r := relaying(t, db, false)
	put(t, db, "a1")
	p, inside, goOn := proxied(t, running(t)), make(chan struct{}), make(chan struct{})
	first := into(t, target, func() string { return "" })
	first.Apply = func(context.Context, pgx.Tx, []pg.Event) error {
		close(inside)
		<-goOn
		return context.Canceled
	}
	stop := background(t, "paused", func(ctx context.Context) error { return relayBehind(t, db, p).ConsumeInto(ctx, first) })
	<-inside
	p.Pause()
	background(t, "consumer", func(ctx context.Context) error {
		return r.ConsumeInto(ctx, into(t, target, func() string { return "" }))
	})
	release := sync.OnceFunc(func() { p.Resume(); close(goOn) })
	t.Cleanup(release)
	eventually(t, "1 is applied", func() bool { return effects(t, target, "1") == 1 })
	release()
	stop()
}

// relayBehind is a relay behind a proxy, with the texts of statements in messages.
func relayBehind(t *testing.T, db *pg.DB, p *proxy.Proxy) *pg.Relay {
	t.Helper()
	dsn, err := pgserver.DSN(p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	there := &pg.DB{Pool: poolOf(t, dsn+" default_query_exec_mode=exec"), Schema: db.Schema}
	return &pg.Relay{DB: there, Poll: time.Millisecond, TTL: 200 * time.Millisecond}
}

// stopAfter pauses a proxy after the next message that has a word in it: that one
// reaches the server, what follows it on whichever connection does not.
func stopAfter(p *proxy.Proxy, word string, paused chan struct{}) {
	var seen atomic.Bool
	pause := sync.OnceFunc(func() { p.Pause(); close(paused) })
	p.Lose(func(sent []byte) proxy.Loss {
		if seen.Load() {
			pause()
		}
		if bytes.Contains(sent, []byte(word)) {
			seen.Store(true)
		}
		return proxy.Keep
	})
}
