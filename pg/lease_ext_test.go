package pg_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
)

// TestLease: one holder at a time; tokens grow; a lease that ran out goes on
// until somebody else gets it.
func TestLease(t *testing.T) {
	db := open(t)
	ctx := t.Context()
	expire := func() {
		run(t, db, "UPDATE "+db.Schema+".lease SET until = clock_timestamp() - interval '1 s' WHERE until > '-infinity'")
	}
	first, err := db.Acquire(ctx, "l", "ann", time.Minute)
	wantCode(t, err, 0)
	_, err = db.Acquire(ctx, "l", "bob", time.Minute)
	wantCode(t, err, mainstem.Held)
	wantCode(t, db.Renew(ctx, first), 0)
	expire()
	wantCode(t, db.Renew(ctx, first), 0)
	expire()
	second, err := db.Acquire(ctx, "l", "bob", time.Minute)
	if wantCode(t, err, 0); second.Token <= first.Token {
		t.Errorf("token %d after %d", second.Token, first.Token)
	}
	wantCode(t, db.Renew(ctx, first), mainstem.Fenced)
	wantCode(t, db.Release(ctx, first), mainstem.Fenced)
	wantCode(t, db.Release(ctx, second), 0)
	wantCode(t, db.Release(ctx, second), mainstem.Fenced)
	third, err := db.Acquire(ctx, "l", "ann", time.Minute)
	if wantCode(t, err, 0); third.Token <= second.Token {
		t.Errorf("token %d after %d", third.Token, second.Token)
	}
	for _, ttl := range []time.Duration{pg.MinTTL - 1, pg.MaxTTL + 1} {
		_, err := db.Acquire(ctx, "l", "ann", ttl)
		wantCode(t, err, mainstem.Invalid)
	}
}

// TestHold: it waits its turn, ends the function of a holder that was replaced,
// and releases.
func TestHold(t *testing.T) {
	db := open(t)
	const ttl = 300 * time.Millisecond
	first, goOn := make(chan error), make(chan struct{})
	go func() {
		first <- db.Hold(t.Context(), "l", ttl, func(ctx context.Context, _ mainstem.FencingToken) error {
			close(goOn)
			<-ctx.Done()
			return errors.New("was ended")
		})
	}()
	<-goOn
	run(t, db, "UPDATE "+db.Schema+".lease SET token = token + 1") // somebody else got it
	err := <-first
	wantCode(t, err, mainstem.Fenced)
	ran := false
	wantCode(t, db.Hold(t.Context(), "l", ttl, func(context.Context, mainstem.FencingToken) error { ran = true; return nil }), 0)
	if !ran {
		t.Error("the second did not run")
	}
	if n := number(t, db, "SELECT count(*) FROM $S.lease WHERE until > clock_timestamp()"); n != 0 {
		t.Error("the lease was not released")
	}
	waits, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = db.Acquire(t.Context(), "l", "other", time.Minute)
	wantCode(t, err, 0)
	err = db.Hold(waits, "l", ttl, func(context.Context, mainstem.FencingToken) error { t.Error("ran"); return nil })
	wantCode(t, err, mainstem.Cancelled)
}

// TestPhantomLock: two ways in which a lock without a fence does not lock, a
// paused holder and a delayed write with the holder awake; and that with the fence
// both are refused (Kleppmann, "How to do distributed locking", 2016).
func TestPhantomLock(t *testing.T) {
	for _, fenced := range []bool{false, true} {
		db := open(t)
		balance := func() int64 { return number(t, db, "SELECT balance FROM $S.account") }
		run(t, db, "CREATE TABLE "+db.Schema+".account AS SELECT 100 AS balance")
		// write is read-modify-write under a lease, which needs the lock to be right.
		write := func(tx pgx.Tx, grant mainstem.Grant, value int64) error {
			if fenced {
				if err := pg.Fence(t.Context(), pg.In(db.Schema, tx), "account", grant.Token); err != nil {
					return err
				}
			}
			_, err := tx.Exec(t.Context(), "UPDATE "+db.Schema+".account SET balance = $1", value)
			return err
		}
		acquire := func(owner string) mainstem.Grant {
			run(t, db, "UPDATE "+db.Schema+".lease SET until = clock_timestamp() - interval '1 s'")
			g, err := db.Acquire(t.Context(), "account", owner, time.Minute)
			wantCode(t, err, 0)
			return g
		}
		// The paused holder: it has read 100, and sleeps beyond its TTL.
		paused := acquire("paused")
		read := balance()
		other := acquire("other")
		wantCode(t, pgx.BeginFunc(t.Context(), db.Pool, func(tx pgx.Tx) error { return write(tx, other, balance()-30) }), 0)
		err := pgx.BeginFunc(t.Context(), db.Pool, func(tx pgx.Tx) error { return write(tx, paused, read-1) })
		if fenced {
			wantCode(t, err, mainstem.Fenced)
		} else {
			wantCode(t, err, 0)
		}
		if got, want := balance(), map[bool]int64{false: 99, true: 70}[fenced]; got != want {
			t.Errorf("paused holder, fenced %t: balance %d, want %d", fenced, got, want)
		}
		// A write that is under way when the lease changes hands: the newer waits.
		late := begin(t, db, pgx.ReadCommitted)
		wantCode(t, write(late, other, 1000), 0)
		next := acquire("next")
		done := make(chan error)
		go func() {
			done <- pgx.BeginFunc(t.Context(), db.Pool, func(tx pgx.Tx) error { return write(tx, next, 2000) })
		}()
		eventually(t, "the newer write waits", func() bool {
			return number(t, db, "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid IN (SELECT pid FROM pg_stat_activity WHERE query LIKE '%' || $1 || '%')", db.Schema) > 0
		})
		commit(t, late)
		wantCode(t, <-done, 0)
		if got := balance(); got != 2000 {
			t.Errorf("open write, fenced %t: balance %d", fenced, got)
		}
		// The delayed write: its holder is awake and has given up, but the network
		// delivers what it had sent.
		err = pgx.BeginFunc(t.Context(), db.Pool, func(tx pgx.Tx) error { return write(tx, other, 1000) })
		if fenced {
			wantCode(t, err, mainstem.Fenced)
		} else {
			wantCode(t, err, 0)
		}
		if got, want := balance(), map[bool]int64{false: 1000, true: 2000}[fenced]; got != want {
			t.Errorf("delayed write, fenced %t: balance %d, want %d", fenced, got, want)
		}
	}
}

// TestFenceEndsTheTransaction: a caller that ignores the error cannot commit.
func TestFenceEndsTheTransaction(t *testing.T) {
	db := open(t)
	fence := func(tx pgx.Tx, token mainstem.FencingToken) error {
		return pg.Fence(t.Context(), pg.In(db.Schema, tx), "r", token)
	}
	newer := begin(t, db, pgx.ReadCommitted)
	wantCode(t, fence(newer, 8), 0)
	commit(t, newer)
	older := begin(t, db, pgx.ReadCommitted)
	effect(t, db, older, "late")
	wantCode(t, fence(older, 7), mainstem.Fenced)
	if err := older.Commit(t.Context()); !errors.Is(err, pgx.ErrTxCommitRollback) {
		t.Errorf("COMMIT after a fence says %v", err)
	}
	if effects(t, db, "late") != 0 {
		t.Error("it was committed")
	}
	// Transactions of the highest token run side by side.
	one, two := begin(t, db, pgx.ReadCommitted), begin(t, db, pgx.ReadCommitted)
	wantCode(t, fence(one, 8), 0)
	wantCode(t, fence(two, 8), 0)
	commit(t, two)
	commit(t, one)
}

// TestHoldIsRenewed: a lease that is held for longer than its TTL is renewed each time.
func TestHoldIsRenewed(t *testing.T) {
	db := open(t)
	until := func() int64 {
		return number(t, db, "SELECT (extract(epoch FROM until) * 1e6)::bigint FROM $S.lease WHERE name = 'l'")
	}
	wantCode(t, db.Hold(t.Context(), "l", time.Second, func(ctx context.Context, _ mainstem.FencingToken) error {
		for range 5 {
			last := until()
			eventually(t, "the lease is renewed, or lost", func() bool { return until() > last || ctx.Err() != nil })
		}
		return context.Cause(ctx)
	}), 0)
}

// TestGrantsAreDurable: a grant that a crash could lose would be given again under the
// same token.
func TestGrantsAreDurable(t *testing.T) {
	db := open(t)
	for _, c := range []struct{ set, then string }{{"off", "on"}, {"local", "local"}, {"remote_apply", "remote_apply"}} {
		tx := begin(t, db, pgx.ReadCommitted)
		var then string
		for _, sql := range []string{"SET LOCAL synchronous_commit = " + c.set, "SELECT " + db.Schema + ".acquire('l', 'o', interval '1 min')"} {
			if _, err := tx.Exec(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
		}
		wantCode(t, tx.QueryRow(t.Context(), "SHOW synchronous_commit").Scan(&then), 0)
		if then != c.then {
			t.Errorf("with %s a grant is committed with %s, want %s", c.set, then, c.then)
		}
		commit(t, tx)
	}
}
