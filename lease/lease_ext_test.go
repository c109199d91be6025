package lease_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/lease"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T) *mainstem.DB {
	t.Helper()
	db, err := embedded.InMemory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db.DB
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func code(t *testing.T, err error, want mainstem.Code) {
	t.Helper()
	if got := mainstem.CodeOf(err); got != want {
		t.Errorf("code %v (%v), must be %v", got, err, want)
	}
}

const long = time.Hour // a TTL that never ends during a test

// One at a time, each with a higher token than the one before (L7).
func TestHoldExcludes(t *testing.T) {
	db := open(t)
	var inside atomic.Int32
	var last mainstem.FencingToken
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 5 {
				err := lease.Hold(within(t), db, "jobs/nightly", long, func(_ context.Context, token mainstem.FencingToken) error {
					if inside.Add(1) != 1 {
						t.Error("two hold the lease")
					}
					if token <= last {
						t.Errorf("token %d after %d", token, last)
					}
					last = token
					inside.Add(-1)
					return nil
				})
				code(t, err, 0)
			}
		})
	}
	wait.Wait()
}

func TestTryHold(t *testing.T) {
	db := open(t)
	broken := errors.New("broken")
	err := lease.TryHold(within(t), db, "nightly", long, func(context.Context, mainstem.FencingToken) error {
		for _, name := range []string{"nightly", "nightly/nightly"} { // one lease, written in two ways
			err := lease.TryHold(within(t), db, name, long, func(context.Context, mainstem.FencingToken) error {
				t.Error("two hold the lease")
				return nil
			})
			code(t, err, mainstem.Held)
		}
		code(t, lease.TryHold(within(t), db, "nightly/other", long, func(context.Context, mainstem.FencingToken) error { return nil }), 0)
		return broken
	})
	if !errors.Is(err, broken) || mainstem.CodeOf(err) != 0 {
		t.Errorf("%v, must be the function's own error", err)
	}
	code(t, lease.TryHold(within(t), db, "nightly", long, func(context.Context, mainstem.FencingToken) error { return nil }), 0)
}

func TestHoldRefuses(t *testing.T) {
	db := open(t)
	for name, ttl := range map[string]time.Duration{"": long, "/x": long, "g/": long, "a%/b": long, "x": lease.MinTTL - 1, "~own": long} {
		code(t, lease.Hold(within(t), db, name, ttl, nil), mainstem.Invalid)
	}
}

func TestHoldGivesUpWaiting(t *testing.T) {
	db := open(t)
	err := lease.Hold(within(t), db, "l", long, func(context.Context, mainstem.FencingToken) error {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		err := lease.Hold(ctx, db, "l", long, func(context.Context, mainstem.FencingToken) error {
			t.Error("two hold the lease")
			return nil
		})
		code(t, err, mainstem.Cancelled)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v does not say why", err)
		}
		return nil
	})
	code(t, err, 0)
}

// A holder that died keeps others waiting for its TTL and no longer.
func TestHoldTakesOver(t *testing.T) {
	db := open(t)
	const ttl = 100 * time.Millisecond
	begun := time.Now()
	dead, err := db.Group("l").Acquire(t.Context(), "l", "dead", ttl)
	code(t, err, 0)
	err = lease.Hold(within(t), db, "l", ttl, func(_ context.Context, token mainstem.FencingToken) error {
		if token <= dead.Token || time.Since(begun) < ttl {
			t.Errorf("token %d after %d, %s after the other's grant", token, dead.Token, time.Since(begun))
		}
		return nil
	})
	code(t, err, 0)
}

// Renewed for longer than its TTL, the lease stays. A machine that is too busy
// to renew in time says nothing, so it has several tries.
func TestHoldRenews(t *testing.T) {
	db := open(t)
	for i := range 10 {
		if renews(t, db, fmt.Sprint("lease", i), 500*time.Millisecond) {
			return
		}
	}
	t.Error("the lease was never kept for longer than its TTL")
}

func renews(t *testing.T, db *mainstem.DB, name string, ttl time.Duration) (kept bool) {
	err := lease.Hold(within(t), db, name, ttl, func(ctx context.Context, _ mainstem.FencingToken) error {
		until, again := time.After(2*ttl), time.NewTicker(ttl/10)
		defer again.Stop()
		for {
			err := lease.TryHold(ctx, db, name, ttl, func(context.Context, mainstem.FencingToken) error { return nil })
			if mainstem.CodeOf(err) != mainstem.Held {
				return err
			}
			select {
			case <-until:
				kept = true
				return nil
			case <-ctx.Done():
				return nil
			case <-again.C:
			}
		}
	})
	return kept && err == nil
}

// Taken away, the lease ends the function's context, which says why.
func TestHoldLosesTheLease(t *testing.T) {
	db := open(t)
	const ttl = 60 * time.Millisecond
	err := lease.Hold(within(t), db, "l", ttl, func(ctx context.Context, token mainstem.FencingToken) error {
		code(t, db.Group("l").Release(ctx, mainstem.Grant{Lease: "l", Token: token}), 0)
		<-ctx.Done()
		code(t, context.Cause(ctx), mainstem.Fenced)
		return ctx.Err()
	})
	code(t, err, mainstem.Fenced)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v hides the function's own error", err)
	}
}

// unplugged refuses commits once it is pulled.
type unplugged struct {
	mainstem.Backend
	pulled atomic.Bool
}

func (u *unplugged) Commit(ctx context.Context, t *mainstem.Transaction) (*mainstem.Receipt, error) {
	if u.pulled.Load() {
		return nil, mainstem.Errorf(mainstem.Unavailable, "unplugged")
	}
	return u.Backend.Commit(ctx, t)
}

// A holder that cannot renew stops before anybody else can be granted the
// lease. A machine that is too busy to wake it in time says nothing, so it has
// several tries.
func TestHoldStopsInTime(t *testing.T) {
	db := open(t)
	for i := range 10 {
		if stopsInTime(t, db, fmt.Sprint("lease", i), 300*time.Millisecond) {
			return
		}
	}
	t.Error("the function never stopped within the TTL of its lease")
}

func stopsInTime(t *testing.T, db *mainstem.DB, name string, ttl time.Duration) (inTime bool) {
	backend, begun := &unplugged{Backend: db.Backend()}, time.Now()
	err := lease.Hold(within(t), mainstem.New(backend), name, ttl, func(ctx context.Context, _ mainstem.FencingToken) error {
		backend.pulled.Store(true)
		<-ctx.Done()
		code(t, context.Cause(ctx), mainstem.Fenced)
		inTime = time.Since(begun) < ttl
		err := lease.TryHold(within(t), db, name, ttl, func(context.Context, mainstem.FencingToken) error { return nil })
		if mainstem.CodeOf(err) != mainstem.Held && time.Since(begun) < ttl {
			t.Errorf("%s after the lease was asked for somebody else is granted it: %v", time.Since(begun), err)
		}
		return nil
	})
	code(t, err, mainstem.Fenced)
	return inTime
}
