package pg_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
)

// caller is a way of speaking to PostgreSQL, in which every promise must hold.
type caller struct {
	name string
	// in runs fn in a transaction, and commits it if fn returns nil.
	in func(t *testing.T, db *pg.DB, fn func(tx pg.Tx) error) error
	// set chooses pgx's query mode.
	mode pgx.QueryExecMode
}

func callers() []caller {
	byPool := func(t *testing.T, db *pg.DB, fn func(tx pg.Tx) error) error {
		t.Helper()
		return pgx.BeginFunc(t.Context(), db.Pool, func(tx pgx.Tx) error { return fn(pg.In(db.Schema, tx)) })
	}
	byDB := func(t *testing.T, db *pg.DB, fn func(tx pg.Tx) error) error {
		t.Helper()
		return pgx.BeginFunc(t.Context(), db, func(tx pgx.Tx) error { return fn(tx) })
	}
	bySQL := func(t *testing.T, db *pg.DB, fn func(tx pg.Tx) error) error {
		t.Helper()
		std := stdlib.OpenDBFromPool(db.Pool)
		defer std.Close()
		tx, err := std.BeginTx(t.Context(), &sql.TxOptions{})
		if err != nil {
			return err
		}
		if err := fn(pg.In(db.Schema, pg.SQL(tx))); err != nil {
			return errors.Join(err, tx.Rollback())
		}
		return tx.Commit()
	}
	return []caller{
		{"pgx", byPool, pgx.QueryExecModeCacheStatement},
		{"pgx without prepared statements", byPool, pgx.QueryExecModeExec},
		{"pgx with the simple protocol", byPool, pgx.QueryExecModeSimpleProtocol},
		{"DB.Begin", byDB, pgx.QueryExecModeCacheStatement},
		{"DB.Begin with the simple protocol", byDB, pgx.QueryExecModeSimpleProtocol},
		{"database sql", bySQL, pgx.QueryExecModeCacheStatement},
		{"database sql with the simple protocol", bySQL, pgx.QueryExecModeSimpleProtocol},
	}
}

// eachCaller runs a test in every way.
func eachCaller(t *testing.T, test func(t *testing.T, db *pg.DB, c caller)) {
	for _, c := range callers() {
		t.Run(c.name, func(t *testing.T) {
			db := openOn(t, running(t), func(config *pgxpool.Config) { config.ConnConfig.DefaultQueryExecMode = c.mode })
			test(t, db, c)
		})
	}
}

// TestOnce: a key runs once, and gives its first reply from then on; what failed
// leaves no trace; a refusal is remembered, and what it wrote is not.
func TestOnce(t *testing.T) {
	eachCaller(t, func(t *testing.T, db *pg.DB, c caller) {
		once := func(r pg.Request, body string, fail error) (reply pg.Reply, err error) {
			err = c.in(t, db, func(tx pg.Tx) error {
				reply, err = pg.Once(t.Context(), tx, r, func(context.Context) ([]byte, error) {
					effect(t, db, tx, r.Key)
					return []byte(body), fail
				})
				return err
			})
			return reply, err
		}
		expect := func(reply pg.Reply, err error, body string, refused, replayed bool, key string, n int64) {
			t.Helper()
			wantCode(t, err, 0)
			if string(reply.Body) != body || reply.Refused != refused || reply.Replayed != replayed || effects(t, db, key) != n {
				t.Fatalf("%s: got %+v with %d effects, want %q refused %t replayed %t with %d", key, reply, effects(t, db, key), body, refused, replayed, n)
			}
		}
		paid := pg.Request{Key: "pay", Hash: []byte{1, 2}}
		reply, err := once(paid, "first", nil)
		expect(reply, err, "first", false, false, "pay", 1)
		reply, err = once(paid, "second", nil)
		expect(reply, err, "first", false, true, "pay", 1)
		if reply.Made.IsZero() {
			t.Error("a replay does not say when the first was")
		}
		_, err = once(pg.Request{Key: "pay", Hash: []byte{1, 3}}, "other", nil)
		wantCode(t, err, mainstem.IDReused)

		failed := errors.New("no money")
		if _, err = once(pg.Request{Key: "fail"}, "", failed); !errors.Is(err, failed) {
			t.Fatalf("the function's error became %v", err)
		}
		reply, err = once(pg.Request{Key: "fail"}, "now", nil)
		expect(reply, err, "now", false, false, "fail", 1)

		refuse := pg.Request{Key: "refuse", Refusals: true}
		reply, err = once(refuse, "", pg.Refuse([]byte("no")))
		expect(reply, err, "no", true, false, "refuse", 0)
		reply, err = once(refuse, "yes", nil)
		expect(reply, err, "no", true, true, "refuse", 0)
		reply, err = once(pg.Request{Key: "kept", Refusals: true}, "yes", nil)
		expect(reply, err, "yes", false, false, "kept", 1)
		_, err = once(pg.Request{Key: "undeclared"}, "", pg.Refuse(nil))
		wantCode(t, err, mainstem.Invalid)
		reply, err = once(pg.Request{Key: "undeclared"}, "", nil)
		expect(reply, err, "", false, false, "undeclared", 1)
	})
}

// TestOnceWhileAnotherRuns: a duplicate does not run beside the first. It is
// answered within its bound, and its transaction can go on.
func TestOnceWhileAnotherRuns(t *testing.T) {
	db := open(t)
	const wait = 300 * time.Millisecond
	hold := func(key string) pgx.Tx {
		first := begin(t, db, pgx.ReadCommitted)
		_, err := pg.Once(t.Context(), pg.In(db.Schema, first), pg.Request{Key: key}, func(context.Context) ([]byte, error) { return []byte("first"), nil })
		wantCode(t, err, 0)
		return first
	}
	again := func(key string, wait time.Duration) (pg.Reply, error) {
		second := begin(t, db, pgx.ReadCommitted)
		reply, err := pg.Once(t.Context(), pg.In(db.Schema, second), pg.Request{Key: key, Wait: wait}, func(context.Context) ([]byte, error) { return []byte("second"), nil })
		if err != nil { // the transaction is as it was
			effect(t, db, second, "went on")
		}
		var timeout string
		if err := second.QueryRow(t.Context(), "SHOW lock_timeout").Scan(&timeout); err != nil || timeout != "0" {
			t.Errorf("lock_timeout is %s afterwards (%v)", timeout, err)
		}
		commit(t, second)
		return reply, err
	}
	committed, rolledBack := hold("commits"), hold("rolls back")
	_, err := again("commits", 0)
	wantCode(t, err, mainstem.InProgress)
	began := time.Now()
	_, err = again("commits", wait)
	wantCode(t, err, mainstem.InProgress)
	if took := time.Since(began); took < wait || took > 10*wait {
		t.Errorf("waited %s, want %s", took, wait)
	}
	if n := effects(t, db, "went on"); n != 2 {
		t.Errorf("%d of 2 transactions went on after InProgress", n)
	}
	for _, c := range []struct {
		key, want string
		end       func(context.Context) error
	}{
		{"commits", "first", committed.Commit},
		{"rolls back", "second", rolledBack.Rollback},
	} {
		got := make(chan string)
		go func() {
			reply, err := again(c.key, pg.MaxWait)
			got <- fmt.Sprint(string(reply.Body), " ", err)
		}()
		eventually(t, "the duplicate waits", func() bool {
			return number(t, db, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'") == 1
		})
		wantCode(t, c.end(t.Context()), 0)
		if answer := <-got; answer != c.want+" <nil>" {
			t.Errorf("the first %s: the duplicate that waited got %s", c.key, answer)
		}
	}
}

// TestOnceIsolation: where the snapshot is too old to show the reply, the
// transaction has to be run again, and is told so before the function runs.
func TestOnceIsolation(t *testing.T) {
	for _, level := range []pgx.TxIsoLevel{pgx.ReadCommitted, pgx.RepeatableRead, pgx.Serializable, "serializable by DB.BeginTx"} {
		t.Run(string(level), func(t *testing.T) {
			db, begin := open(t), begin
			if level == "serializable by DB.BeginTx" {
				level, begin = pgx.Serializable, beginHere
			}
			run := func(tx pgx.Tx, key string) (reply pg.Reply, ran bool, err error) {
				reply, err = pg.Once(t.Context(), pg.In(db.Schema, tx), pg.Request{Key: key}, func(context.Context) ([]byte, error) {
					ran = true
					return []byte("reply"), nil
				})
				return reply, ran, err
			}
			late := begin(t, db, level)
			var n int
			if err := late.QueryRow(t.Context(), "SELECT count(*) FROM "+db.Schema+".effect").Scan(&n); err != nil {
				t.Fatal(err) // the snapshot is taken
			}
			first := begin(t, db, level)
			_, ran, err := run(first, "k")
			if wantCode(t, err, 0); !ran {
				t.Fatal("the first did not run")
			}
			commit(t, first)
			reply, ran, err := run(late, "k")
			if ran {
				t.Error("the function ran a second time")
			}
			if level == pgx.ReadCommitted {
				if wantCode(t, err, 0); !reply.Replayed {
					t.Error("no replay")
				}
				return
			}
			wantCode(t, err, mainstem.RetryTransaction)
			_ = late.Rollback(t.Context())
			reply, ran, err = run(begin(t, db, level), "k")
			if wantCode(t, err, 0); ran || string(reply.Body) != "reply" {
				t.Errorf("run again: ran %t, reply %q", ran, reply.Body)
			}
		})
	}
}

// TestOnceWithinItself: a request that begins itself anew is an error, at every
// level, and what was settled is not settled again.
func TestOnceWithinItself(t *testing.T) {
	for level, want := range map[pgx.TxIsoLevel]mainstem.Code{pgx.ReadCommitted: mainstem.RetryTransaction, pgx.RepeatableRead: mainstem.Invalid} {
		db := open(t)
		tx := begin(t, db, level)
		once := func(fn func(context.Context) ([]byte, error)) error {
			_, err := pg.Once(t.Context(), pg.In(db.Schema, tx), pg.Request{Key: "k"}, fn)
			return err
		}
		wantCode(t, once(func(context.Context) ([]byte, error) {
			return []byte("outer"), once(func(context.Context) ([]byte, error) { return []byte("inner"), nil })
		}), want)
		if n := number(t, db, "SELECT count(*) FROM $S.request"); n != 0 {
			t.Errorf("%d requests are kept of a transaction that did not commit", n)
		}
	}
}

// TestOnceDeadlock: two transactions that wait for each other's key are not
// aborted; at least one is InProgress.
func TestOnceDeadlock(t *testing.T) {
	db := open(t)
	txs := []pgx.Tx{begin(t, db, pgx.ReadCommitted), begin(t, db, pgx.ReadCommitted)}
	take := func(i int, key string, wait time.Duration) error {
		_, err := pg.Once(t.Context(), pg.In(db.Schema, txs[i]), pg.Request{Key: key, Wait: wait}, func(context.Context) ([]byte, error) { return nil, nil })
		return err
	}
	wantCode(t, take(0, "a", 0), 0)
	wantCode(t, take(1, "b", 0), 0)
	met := make(chan error)
	go func() { met <- take(0, "b", time.Second) }()
	eventually(t, "the first waits", func() bool {
		return number(t, db, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'") == 1
	})
	second, first := take(1, "a", time.Second), <-met
	busy := int64(0)
	for i, err := range []error{first, second} {
		if err != nil {
			wantCode(t, err, mainstem.InProgress)
			busy++
		}
		commit(t, txs[i])
	}
	if n := number(t, db, "SELECT count(*) FROM $S.request"); busy == 0 || n != 2 {
		t.Errorf("%d of 2 are in progress, and %d requests are kept, want a and b", busy, n)
	}
}

// TestOnceAge: a key is kept for its age. After it, Clean takes it away and it
// runs again; but never a key that says when it was born.
func TestOnceAge(t *testing.T) {
	db := open(t)
	run := func(r pg.Request) (pg.Reply, error) {
		return db.Run(t.Context(), r, func(_ context.Context, tx pgx.Tx) ([]byte, error) {
			effect(t, db, tx, r.Key)
			return nil, nil
		})
	}
	passed := func(d time.Duration) { // as if so much time had passed
		if _, err := db.Pool.Exec(t.Context(), "UPDATE "+db.Schema+".request SET made = made - $1::interval, until = until - $1::interval", d); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Clean(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	const age = time.Hour
	plain, born := pg.Request{Key: "plain", Age: age}, pg.Request{Key: "born", Age: age, Born: time.Now()}
	for _, r := range []pg.Request{plain, born} {
		_, err := run(r)
		wantCode(t, err, 0)
	}
	for _, next := range []time.Duration{age - time.Minute, 6 * time.Minute} { // younger than its age, and beyond by less than clocks may differ
		passed(next)
		for _, r := range []pg.Request{plain, born} {
			if reply, err := run(r); err != nil || !reply.Replayed {
				t.Errorf("%s: a key %s later: %+v, %v", r.Key, next, reply, err)
			}
		}
	}
	passed(time.Hour) // beyond its age, and beyond what clocks may differ
	born.Born = born.Born.Add(-2 * age)
	if reply, err := run(plain); err != nil || reply.Replayed || effects(t, db, "plain") != 2 {
		t.Errorf("a key beyond its age does not run again: %+v, %v", reply, err)
	}
	_, err := run(born)
	wantCode(t, err, mainstem.TooOld)
	if n := effects(t, db, "born"); n != 1 {
		t.Errorf("a key that says when it was born ran %d times", n)
	}
}

// TestOnceLimits: each limit from both sides, and keys that are none.
func TestOnceLimits(t *testing.T) {
	db := open(t)
	for name, c := range map[string]struct {
		r    pg.Request
		body int
		want mainstem.Code
	}{
		"no key":              {pg.Request{}, 0, mainstem.Invalid},
		"longest key":         {pg.Request{Key: strings.Repeat("k", mainstem.LimitName)}, 0, 0},
		"too long key":        {pg.Request{Key: strings.Repeat("k", mainstem.LimitName+1)}, 0, mainstem.TooLarge},
		"key with NUL":        {pg.Request{Key: "a\x00"}, 0, mainstem.Invalid},
		"key not UTF-8":       {pg.Request{Key: "a\xff"}, 0, mainstem.Invalid},
		"key as SQL":          {pg.Request{Key: `'; DROP SCHEMA public; --"$1`}, 0, 0},
		"longest hash":        {pg.Request{Key: "h1", Hash: make([]byte, mainstem.LimitFingerprint)}, 0, 0},
		"too long hash":       {pg.Request{Key: "h2", Hash: make([]byte, mainstem.LimitFingerprint+1)}, 0, mainstem.TooLarge},
		"largest reply":       {pg.Request{Key: "b1"}, mainstem.LimitValue, 0},
		"too large reply":     {pg.Request{Key: "b2"}, mainstem.LimitValue + 1, mainstem.TooLarge},
		"shortest age":        {pg.Request{Key: "a1", Age: pg.MinAge}, 0, 0},
		"too short age":       {pg.Request{Key: "a2", Age: pg.MinAge - 1}, 0, mainstem.Invalid},
		"longest age":         {pg.Request{Key: "a3", Age: pg.MaxAge}, 0, 0},
		"too long age":        {pg.Request{Key: "a4", Age: pg.MaxAge + 1}, 0, mainstem.Invalid},
		"longest wait":        {pg.Request{Key: "w1", Wait: pg.MaxWait}, 0, 0},
		"too long wait":       {pg.Request{Key: "w2", Wait: pg.MaxWait + 1}, 0, mainstem.Invalid},
		"wait before the now": {pg.Request{Key: "w3", Wait: -1}, 0, mainstem.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := db.Run(t.Context(), c.r, func(context.Context, pgx.Tx) ([]byte, error) { return make([]byte, c.body), nil })
			wantCode(t, err, c.want)
			if n := number(t, db, "SELECT count(*) FROM $S.request WHERE key = $1", strings.ToValidUTF8(strings.ReplaceAll(c.r.Key, "\x00", ""), "")); n != 1 && c.want == 0 || n != 0 && c.want != 0 {
				t.Errorf("%d rows of the request", n)
			}
		})
	}
}

// TestRunEndsItsTransaction, and nobody else does: neither its function, nor what
// that function leaves behind.
func TestRunEndsItsTransaction(t *testing.T) {
	db := open(t)
	var left pgx.Tx
	_, err := db.Run(t.Context(), pg.Request{Key: "k"}, func(ctx context.Context, tx pgx.Tx) ([]byte, error) {
		left = tx
		effect(t, db, tx, "k")
		if tx.Commit(ctx) == nil || tx.Rollback(ctx) == nil {
			t.Error("the function has ended the transaction")
		}
		return nil, nil
	})
	wantCode(t, err, 0)
	if _, err := left.Exec(t.Context(), "INSERT INTO "+db.Schema+".effect VALUES ('k')"); !errors.Is(err, pgx.ErrTxClosed) {
		t.Errorf("after the end: %v", err)
	}
	if n := effects(t, db, "k"); n != 1 {
		t.Errorf("%d effects", n)
	}
}

// TestRunMeetsAReply: a reply that nobody could show when Run looked, and that is
// there when it keeps its own, is the reply, and what its function wrote is undone.
func TestRunMeetsAReply(t *testing.T) {
	db := open(t)
	calls := 0
	reply, err := db.Run(t.Context(), pg.Request{Key: "k"}, func(_ context.Context, tx pgx.Tx) ([]byte, error) {
		calls++
		effect(t, db, tx, "second")
		run(t, db, "INSERT INTO "+db.Schema+".request (key, hash, state, reply, until) VALUES ('k', '', 1, 'first', now() + '1 day')")
		return []byte("second"), nil
	})
	wantCode(t, err, 0)
	if string(reply.Body) != "first" || !reply.Replayed || calls != 1 {
		t.Errorf("reply %q, replayed %t, after %d calls", reply.Body, reply.Replayed, calls)
	}
	if n := effects(t, db, "second"); n != 0 {
		t.Errorf("%d effects of a request that was answered before (L5)", n)
	}
}
