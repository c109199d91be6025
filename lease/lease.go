package lease

import (
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/mainstemdb/mainstem"
)

// MinTTL is the shortest TTL: a third of it must be enough for a renewal.
const MinTTL = 30 * time.Millisecond

// Func is what runs under a lease. Its context ends, with the reason as its
// cause, when the lease is lost or could not be renewed in time.
type Func func(ctx context.Context, token mainstem.FencingToken) error

// Hold waits until the lease is granted, runs fn, and releases the lease.
//
// The name is GROUP/NAME as mainstem.ParsePath reads it, or a NAME without a
// slash, which is a lease of that name in a group of that name. The lease is
// renewed every third of its TTL; if this process dies, others are granted it
// after the rest of its TTL.
//
// Hold returns fn's error. When the lease was lost before fn returned, it
// returns an error with the code of the loss (Fenced, most often), fn's own
// beneath it. While it waits, every passing error is waited out; when ctx ends
// first, the error is Cancelled, and fn has not run. Waiters are not queued:
// whoever asks first after a release is granted it.
func Hold(ctx context.Context, db *mainstem.DB, name string, ttl time.Duration, fn Func) error {
	h, err := newHolder(db, name, ttl)
	if err != nil {
		return err
	}
	for {
		grant, err := h.group.Acquire(ctx, h.lease, h.owner, ttl)
		if err == nil {
			return h.run(ctx, grant, fn)
		}
		if mainstem.CodeOf(err) != mainstem.Held {
			return err
		}
		if err := h.wait(ctx); err != nil {
			return err
		}
	}
}

// TryHold is Hold without waiting: while somebody else holds the lease it
// returns an error with the code Held, and fn has not run.
func TryHold(ctx context.Context, db *mainstem.DB, name string, ttl time.Duration, fn Func) error {
	h, err := newHolder(db, name, ttl)
	if err != nil {
		return err
	}
	grant, err := h.group.Acquire(ctx, h.lease, h.owner, ttl)
	if err != nil {
		return err
	}
	return h.run(ctx, grant, fn)
}

type holder struct {
	group mainstem.Group
	lease string
	owner string
	ttl   time.Duration
}

func newHolder(db *mainstem.DB, name string, ttl time.Duration) (*holder, error) {
	path := mainstem.Path{Group: name, Name: name}
	if strings.Contains(name, "/") {
		var err error
		if path, err = mainstem.ParsePath(name); err != nil {
			return nil, err
		}
	}
	switch {
	case path.Name == "":
		return nil, mainstem.Errorf(mainstem.Invalid, "lease %q has no name after its group", name)
	case ttl < MinTTL:
		return nil, mainstem.Errorf(mainstem.Invalid, "TTL %s of lease %q; the least is %s", ttl, name, MinTTL)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown-host"
	}
	owner := fmt.Sprintf("%.64s.%d.%s", strings.ToValidUTF8(host, ""), os.Getpid(), rand.Text())
	return &holder{group: db.Group(path.Group), lease: path.Name, owner: owner, ttl: ttl}, nil
}

// run keeps the lease while fn runs, and gives it back. A release that fails is
// no failure of fn: the lease then ends with its TTL.
func (h *holder) run(ctx context.Context, grant mainstem.Grant, fn Func) error {
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.ttl)
		defer cancel()
		_ = h.group.Release(ctx, grant)
	}()
	return h.group.Keep(ctx, grant, func(ctx context.Context) error { return fn(ctx, grant.Token) })
}

// wait returns when the lease was released, or may have expired: the feed wakes
// it for the one, a timer for the other. A feed that breaks off only means that
// it looks again, a little later.
func (h *holder) wait(ctx context.Context) error {
	view, err := h.group.View(ctx, mainstem.Latest())
	if err != nil {
		return h.calm(ctx, err)
	}
	held, err := view.Lease(ctx, h.lease)
	stamp := view.Stamp()
	if closed := view.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return h.calm(ctx, err)
	}
	left := held.Until.Sub(stamp.Age)
	switch {
	case held.Released:
		return nil
	case left <= 0:
		return h.calm(ctx, nil) // never granted, or expired a moment ago
	}
	until, cancel := context.WithTimeout(ctx, left+mathrand.N(h.ttl/10))
	defer cancel()
	released := mainstem.From{
		After: stamp.Token,
		Match: mainstem.Match{Groups: []string{h.group.Name()}, NamePrefix: h.lease, Kinds: []mainstem.EffectKind{mainstem.EffectRelease}},
	}
	for batch, err := range h.group.DB().Changes(until, released) {
		if err != nil {
			break
		}
		if h.releasedBy(batch) {
			return nil
		}
	}
	if until.Err() != nil && ctx.Err() == nil {
		return nil // time to look again
	}
	return h.calm(ctx, nil)
}

func (h *holder) releasedBy(batch mainstem.Batch) bool {
	for _, c := range batch.Changes {
		for _, e := range c.Effects {
			if e.Kind == mainstem.EffectRelease && e.Name == h.lease {
				return true
			}
		}
	}
	return false
}

// calm pauses a little before the next look. An error that does not pass, and
// the end of ctx, end the waiting.
func (h *holder) calm(ctx context.Context, err error) error {
	if err != nil && !mainstem.CodeOf(err).Retryable() && ctx.Err() == nil {
		return err
	}
	timer := time.NewTimer(h.ttl/20 + mathrand.N(h.ttl/20))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return mainstem.Errorf(mainstem.Cancelled, "waiting for lease %q in group %q was given up: %w", h.lease, h.group.Name(), context.Cause(ctx))
	}
}
