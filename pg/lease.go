package pg

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

// The bounds of a lease's TTL: a third of it must be enough for a renewal.
const (
	MinTTL = 100 * time.Millisecond
	MaxTTL = 24 * time.Hour
)

// Acquire asks for a lease. While somebody else holds it, it is Held. Time is the
// server's: if its clock jumps forward, a lease is granted early, and two may
// think they hold it; so what acts under a lease shows its token to Fence.
//
// Tokens of one lease only grow: a token is the server's timeline and a number,
// so that a failover which lost the newest grants cannot give their tokens again. Nor
// can a crash: a grant is on the disk before it is answered, whatever
// synchronous_commit says.
func (db *DB) Acquire(ctx context.Context, name, owner string, ttl time.Duration) (mainstem.Grant, error) {
	if err := db.check(); err != nil {
		return mainstem.Grant{}, err
	}
	if err := mainstem.CheckName("lease", name); err != nil {
		return mainstem.Grant{}, err
	}
	if ttl < MinTTL || ttl > MaxTTL {
		return mainstem.Grant{}, mainstem.Errorf(mainstem.Invalid, "TTL %s of lease %.64q; between %s and %s is possible", ttl, name, MinTTL, MaxTTL)
	}
	asked := time.Now()
	var token *int64
	var holder *string
	var rest *float64
	err := db.Pool.QueryRow(ctx,
		db.sql("SELECT token, owner, extract(epoch FROM rest)::float8 FROM $S.acquire($1::text, $2::text, make_interval(secs => $3::float8))"),
		name, owner, ttl.Seconds(),
	).Scan(&token, &holder, &rest)
	switch {
	case err != nil:
		return mainstem.Grant{}, fault(err, fmt.Sprintf("lease %.64q cannot be asked for", name))
	case token == nil && holder == nil: // released since
		return mainstem.Grant{}, mainstem.Errorf(mainstem.Held, "lease %.64q was held a moment ago", name)
	case token == nil:
		return mainstem.Grant{}, mainstem.Errorf(mainstem.Held, "lease %.64q is held by %.64s for %.1f s more", name, *holder, max(0, *rest))
	}
	return mainstem.Grant{Lease: name, Token: mainstem.FencingToken(*token), TTL: ttl, Asked: asked}, nil
}

// Renew extends a lease from now. It is Fenced once the lease was granted again,
// or released; a lease that ran out and that nobody else got goes on.
func (db *DB) Renew(ctx context.Context, grant mainstem.Grant) error {
	return db.change(ctx, grant, "clock_timestamp() + make_interval(secs => $3::float8)", grant.TTL.Seconds())
}

// Release gives a lease back. It is Fenced where Renew is.
func (db *DB) Release(ctx context.Context, grant mainstem.Grant) error {
	return db.change(ctx, grant, "'-infinity'")
}

func (db *DB) change(ctx context.Context, grant mainstem.Grant, until string, args ...any) error {
	if err := db.check(); err != nil {
		return err
	}
	tag, err := db.Pool.Exec(ctx,
		db.sql("UPDATE $S.lease SET until = "+until+" WHERE name = $1::text AND token = $2::bigint AND until > '-infinity'"),
		append([]any{grant.Lease, int64(grant.Token)}, args...)...)
	if err != nil {
		return fault(err, fmt.Sprintf("lease %.64q cannot be changed", grant.Lease))
	}
	if tag.RowsAffected() == 0 {
		return mainstem.Errorf(mainstem.Fenced, "lease %.64q was granted again after token %d, or released", grant.Lease, grant.Token)
	}
	return nil
}

// Hold waits until the lease is granted, runs fn, and releases the lease. It is
// renewed every third of its TTL; fn's context ends, with the reason as its
// cause, when that cannot be done in time. Then Hold returns the reason, with
// fn's error beneath it; otherwise fn's error.
func (db *DB) Hold(ctx context.Context, name string, ttl time.Duration, fn func(ctx context.Context, token mainstem.FencingToken) error) error {
	owner := ownerName()
	for {
		grant, err := db.Acquire(ctx, name, owner, ttl)
		if err == nil {
			return db.keep(ctx, grant, fn)
		}
		if code := mainstem.CodeOf(err); code != mainstem.Held && code != mainstem.Unavailable && code != mainstem.RetryTransaction {
			return err
		}
		if pause := ttl / 3; !sleep(ctx, pause/2+mathrand.N(pause)) {
			return mainstem.Errorf(mainstem.Cancelled, "lease %.64q was waited for (%w): %s", name, context.Cause(ctx), err)
		}
	}
}

// keep runs fn under a grant, and gives the lease back.
func (db *DB) keep(ctx context.Context, grant mainstem.Grant, fn func(ctx context.Context, token mainstem.FencingToken) error) error {
	db.Metrics.acquired(grant.Lease)
	renew := func(ctx context.Context) error {
		err := db.Renew(ctx, grant)
		if mainstem.CodeOf(err) == mainstem.Unavailable && sleep(ctx, grant.TTL/30) {
			db.Metrics.renewed(ctx, grant.Lease, err, false)
			err = db.Renew(ctx, grant) // a connection may just have broken
		}
		db.Metrics.renewed(ctx, grant.Lease, err, true)
		return err
	}
	err := grant.Keep(ctx, renew, func(ctx context.Context) error { return fn(ctx, grant.Token) })
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), grant.TTL)
	defer cancel()
	if e := db.Release(last, grant); e != nil && err == nil && mainstem.CodeOf(e) != mainstem.Unavailable {
		return e // somebody else got it before fn had ended
	}
	return err
}

// ownerName is this process's name for a person to read, and unique.
func ownerName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown-host"
	}
	return fmt.Sprintf("%.64s.%d.%s", strings.ToValidUTF8(host, ""), os.Getpid(), rand.Text())
}

// Fence protects a resource from holders of old tokens, in the caller's
// transaction: if the resource has seen a higher token, it is Fenced, and
// PostgreSQL refuses to commit the transaction even if the caller goes on. A
// transaction with a newer token waits for open ones with the old token, and
// after it they are refused: no write of theirs can come later (L7).
//
// In SQL it is a function that can stand in a statement:
//
//	UPDATE account SET … WHERE id = 7 AND mainstem.fence('account/7', 1099511627777)
func Fence(ctx context.Context, tx Tx, resource string, token mainstem.FencingToken) error {
	if err := mainstem.CheckName("resource", resource); err != nil {
		return err
	}
	err := fence(ctx, tx, resource, token)
	metricsOf(tx).refused(resource, err)
	return err
}

func fence(ctx context.Context, tx Tx, resource string, token mainstem.FencingToken) error {
	schema, err := schemaOf(tx)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, in(schema, "SELECT $S.fence($1::text, $2::bigint)"), resource, int64(token))
	return fault(err, fmt.Sprintf("resource %.64q does not take token %d", resource, token))
}
