package pg

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
)

// LimitList is the most rows of one listing.
const LimitList = 1000

// Which chooses the names of a listing, which has them in the order of their bytes.
type Which struct {
	// Prefix is what names begin with; empty means all of them.
	Prefix string
	// After is the last name of the listing before, to go on with what follows it.
	After string
	// Max is the most rows; 0 means LimitList.
	Max int
}

// RequestStatus is what is kept of a request.
type RequestStatus struct {
	Key   string
	State RequestState
	// Made is when the key was first known, and Elapsed how long ago that was,
	// both by the server's clock.
	Made    time.Time
	Elapsed time.Duration
	// Until is until when the key is kept at least. A claim is kept for longer,
	// until its handler ends or somebody resolves it.
	Until time.Time
	// Size is how many bytes the reply has. A claim has none.
	Size int64
}

// RequestState is how far a request is.
type RequestState int

// The states of a request that is committed.
const (
	// RequestDone has its reply.
	RequestDone RequestState = stateDone
	// RequestRefused ended with Refuse, or with a 4xx: its reply is kept, what it
	// wrote is not.
	RequestRefused RequestState = stateRefused
	// RequestClaimed is one of ClaimFirst whose handler is running, for at most
	// HTTP.ClaimFor; after that nobody knows what became of it, and somebody has to
	// say so with Resolve.
	RequestClaimed RequestState = stateClaimed
)

// String is the state in one word.
func (s RequestState) String() string {
	switch s {
	case RequestDone:
		return "done"
	case RequestRefused:
		return "refused"
	case RequestClaimed:
		return "claimed"
	}
	return "unknown"
}

const requestColumns = `key, state, made, extract(epoch FROM clock_timestamp() - made)::float8, until,
	CASE state WHEN 3 THEN 0 ELSE length(reply) END`

// Requests lists what is kept of requests, without their replies. It changes
// nothing, and works on a standby too.
func (db *DB) Requests(ctx context.Context, w Which) ([]RequestStatus, error) {
	return listed(ctx, db, "request", requestColumns+" FROM $S.request", "key", w, scanRequest)
}

// Claims is Requests of RequestClaimed alone. It looks at every key with the
// prefix, since few are claimed and no index is kept for them.
func (db *DB) Claims(ctx context.Context, w Which) ([]RequestStatus, error) {
	return listed(ctx, db, "request", requestColumns+" FROM (SELECT * FROM $S.request WHERE state = 3) claimed", "key", w, scanRequest)
}

func scanRequest(row pgx.CollectableRow) (r RequestStatus, err error) {
	var elapsed float64
	err = row.Scan(&r.Key, &r.State, &r.Made, &elapsed, &r.Until, &r.Size)
	r.Elapsed = seconds(elapsed)
	return r, err
}

// Reply is what a request was answered: at most mainstem.LimitValue bytes, nil
// for a claim. A key that is not known, or no longer, is reported as false.
func (db *DB) Reply(ctx context.Context, key string) (reply []byte, known bool, err error) {
	if err := db.check(); err != nil {
		return nil, false, err
	}
	if err := mainstem.CheckName("request", key); err != nil {
		return nil, false, err
	}
	err = db.Pool.QueryRow(ctx, db.sql("SELECT CASE WHEN state <> 3 THEN reply END FROM $S.request WHERE key = $1::text"), key).Scan(&reply)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, false, nil
	}
	return reply, err == nil, fault(err, "the reply cannot be read")
}

// LeaseStatus is a lease, or what is left of one.
type LeaseStatus struct {
	// Name begins with ~ where the lease is Mainstem's own: ~relay of whoever
	// numbers, ~cursor/NAME of whoever runs the consumer of that name.
	Name string
	// Owner is who has it, or had it last, and Token the one of that grant.
	Owner string
	Token mainstem.FencingToken
	// Released says that it was given back. Otherwise Left is until it runs out,
	// by the server's clock; from 0 down, how long ago it did.
	Released bool
	Left     time.Duration
}

// Held says that nobody else can have the lease now.
func (l *LeaseStatus) Held() bool { return !l.Released && l.Left > 0 }

// Leases lists leases, also those that nobody holds any more: a token is
// remembered for good. It changes nothing, and works on a standby too.
func (db *DB) Leases(ctx context.Context, w Which) ([]LeaseStatus, error) {
	// The difference to an infinite time is an error before PostgreSQL 17.
	const columns = `name, owner, token, CASE WHEN isfinite(until) THEN extract(epoch FROM until - clock_timestamp())::float8 END FROM $S.lease`
	return listed(ctx, db, "lease", columns, "name", w, func(row pgx.CollectableRow) (l LeaseStatus, err error) {
		var left *float64
		err = row.Scan(&l.Name, &l.Owner, &l.Token, &left)
		if l.Released = left == nil; !l.Released {
			l.Left = seconds(*left)
		}
		return l, err
	})
}

// FenceStatus is a resource that Fence protects.
type FenceStatus struct {
	// Resource is its name; ~relay and ~cursor/NAME are Mainstem's own.
	Resource string
	// Token is the highest that it has seen: lower ones are Fenced.
	Token mainstem.FencingToken
}

// Fences lists protected resources. It changes nothing, and works on a standby
// too.
func (db *DB) Fences(ctx context.Context, w Which) ([]FenceStatus, error) {
	return listed(ctx, db, "resource", "resource, token FROM $S.fence", "resource", w, func(row pgx.CollectableRow) (f FenceStatus, err error) {
		err = row.Scan(&f.Resource, &f.Token)
		return f, err
	})
}

// listed reads rows in the order of their names, which an index gives.
func listed[T any](ctx context.Context, db *DB, noun, from, name string, w Which, scan pgx.RowToFunc[T]) ([]T, error) {
	if err := db.check(); err != nil {
		return nil, err
	}
	if w.Max < 0 || w.Max > LimitList {
		return nil, mainstem.Errorf(mainstem.Invalid, "a listing of %d rows; between 1 and %d are possible", w.Max, LimitList)
	}
	if w.Max == 0 {
		w.Max = LimitList
	}
	for _, given := range []string{w.Prefix, w.After} {
		if given == "" {
			continue
		}
		if err := mainstem.CheckName(noun, given); err != nil {
			return nil, err
		}
	}
	args := []any{w.After, w.Prefix, w.Max}
	statement := "SELECT " + from + " WHERE " + name + " > $1::text AND " + name + " >= $2::text"
	if end, ok := behind(w.Prefix); ok {
		statement += " AND " + name + " < $4::text"
		args = append(args, end)
	}
	rows, err := db.Pool.Query(ctx, db.sql(statement+" ORDER BY "+name+" LIMIT $3::int"), args...)
	if err != nil {
		return nil, fault(err, "the list cannot be read")
	}
	list, err := pgx.CollectRows(rows, scan)
	return list, fault(err, "the list cannot be read")
}

// behind is the first text after all that begins with the prefix, unless there is
// none. It is valid UTF-8, which text of PostgreSQL has to be.
func behind(prefix string) (string, bool) {
	const beforeSurrogates, afterSurrogates = 0xD7FF, 0xE000
	prefix = strings.TrimRight(prefix, string(utf8.MaxRune))
	last, size := utf8.DecodeLastRuneInString(prefix)
	if size == 0 {
		return "", false
	}
	next := last + 1
	if last == beforeSurrogates {
		next = afterSurrogates
	}
	return prefix[:len(prefix)-size] + string(next), true
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
