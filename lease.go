package mainstem

import (
	"context"
	"errors"
	"time"
)

// Grant is a lease as its holder knows it.
type Grant struct {
	Lease string
	Token FencingToken
	TTL   time.Duration
	// Asked is the holder's own time just before it sent the request that
	// was granted. Log age is never faster than real time (L6), so the lease
	// is not grantable to anybody else before Asked + TTL.
	Asked time.Time
}

// Acquire asks for a lease in a transaction of its own. While somebody else
// holds it, it fails as Held. Package lease waits, keeps and releases.
func (g Group) Acquire(ctx context.Context, lease, owner string, ttl time.Duration) (Grant, error) {
	asked := time.Now()
	var outcome Outcome
	r, err := g.Do(ctx, "", func(tx *Txn) error {
		outcome = tx.Operate(Acquire{Lease: lease, Owner: owner, TTL: ttl})
		return nil
	})
	if err != nil {
		return Grant{}, err
	}
	return Grant{Lease: lease, Token: outcome.Of(r).Token, TTL: ttl, Asked: asked}, nil
}

// Release gives a lease back. One that was granted to somebody else since, or
// released, is Fenced.
func (g Group) Release(ctx context.Context, grant Grant) error {
	_, err := g.Do(ctx, "", func(tx *Txn) error {
		tx.Operate(Release{Lease: grant.Lease, Token: grant.Token})
		return nil
	})
	return err
}

// lease is the newest grant of a lease.
func (g Group) lease(ctx context.Context, name string) (Lease, error) {
	v, err := g.View(ctx, Latest())
	if err != nil {
		return Lease{}, err
	}
	defer v.Close()
	return v.Lease(ctx, name)
}

// Keep renews a lease every third of its TTL while fn runs: see Grant.Keep.
//
// The clock stands still while a machine sleeps, and a process can be paused
// between looking at the clock and acting. So a cancelled context saves waste
// only; what keeps two holders apart is the token: LeaseHeld in this group,
// Present elsewhere (L7).
func (g Group) Keep(ctx context.Context, grant Grant, fn func(ctx context.Context) error) error {
	return grant.Keep(ctx, func(ctx context.Context) error {
		_, err := g.Do(ctx, "", func(tx *Txn) error {
			tx.Operate(Renew{Lease: grant.Lease, Token: grant.Token, TTL: grant.TTL})
			return nil
		})
		return err
	}, fn)
}

// Keep calls renew every third of the TTL while fn runs, and returns fn's error.
// When a tenth of the TTL is left by this process's monotonic clock, or renew
// fails otherwise, the context of fn is cancelled with the reason as its cause;
// Keep then returns that reason, with fn's error beneath it if there is one.
func (grant Grant) Keep(ctx context.Context, renew, fn func(ctx context.Context) error) error {
	work, lose := context.WithCancelCause(ctx)
	renewing, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		err := grant.renew(renewing, renew)
		lose(err)
		ended <- err
	}()
	err := fn(work)
	stop()
	lost := <-ended
	var why *Error
	switch {
	case !errors.As(lost, &why):
		return err
	case err == nil:
		return lost
	case errors.Is(err, lost) && CodeOf(err) == why.Code:
		return err // it says both
	}
	both := Errorf(why.Code, "%s; and its function ended with: %w", why.Message, err)
	both.Advice = why.Advice
	return both
}

// renew renews until ctx ends, which is no error, or the lease is lost.
func (grant Grant) renew(ctx context.Context, once func(ctx context.Context) error) error {
	until := grant.Asked.Add(grant.TTL - grant.TTL/10)
	for {
		if !sleep(ctx, grant.TTL/3) {
			return nil
		}
		asked := time.Now()
		attempt, cancel := context.WithDeadline(ctx, until)
		err := once(attempt)
		late := attempt.Err() != nil
		cancel()
		switch {
		case err == nil:
			until = asked.Add(grant.TTL - grant.TTL/10)
		case ctx.Err() != nil:
			return nil
		case late:
			return Errorf(Fenced, "lease %s could not be renewed within its TTL of %s: %w", quoteShort(grant.Lease), grant.TTL, err)
		default:
			code := CodeOf(err)
			if code == 0 {
				code = Unavailable
			}
			return Errorf(code, "lease %s is lost: %w", quoteShort(grant.Lease), err)
		}
	}
}
