package pg

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
)

// Parked is an event that a consumer did not take, or one that came after such an
// event in its stream.
type Parked struct {
	Event
	Error string // the last
	Since time.Time
	Again bool // somebody asked to give it again
}

const parkedColumns = "position, stream, version, type, data, actor, request, trace, made, error, parked, again"

// limitError is how much of an error is kept, in bytes.
const limitError = 4 << 10

// park puts an event aside and moves on, in one transaction. One that only waits
// for others is given again as soon as they are gone.
func (d *delivery) park(ctx context.Context, e Event, why string, waits bool) error {
	err := d.db.bounded(ctx, "parking an event", d.relay.idle(), func(tx pgx.Tx) error {
		var version *int64
		if e.Version > 0 {
			version = &e.Version
		}
		_, err := tx.Exec(ctx, d.db.sql(`INSERT INTO $S.parked (cursor, stream, position, version, type, data, actor, request, trace, made, error, again)
			VALUES ($1::text, $2::text, $3::bigint, $4::bigint, $5::text, $6::bytea, $7::text, $8::text, $9::text, $10::timestamptz, $11::text, $12::boolean)
			ON CONFLICT (cursor, stream, position) DO UPDATE SET error = excluded.error, again = excluded.again`),
			d.Name, e.Stream, int64(e.Position), version, e.Type, e.Data, e.Meta.Actor, e.Meta.Request, e.Meta.Trace, e.Made, errorText(why), waits)
		if err != nil {
			return fault(err, fmt.Sprintf("the event at %d cannot be parked", e.Position))
		}
		return d.move(ctx, tx, max(d.at, e.Position))
	})
	if err != nil {
		return err
	}
	d.parked[e.Stream] = true
	d.isParked(ctx, e, why, waits)
	return nil
}

// errorText is what of an error can be kept: valid text of a bounded size.
func errorText(s string) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", "\uFFFD"), "\uFFFD")
	if len(s) > limitError {
		s = strings.ToValidUTF8(s[:limitError], "")
	}
	return s
}

// redeliverFor is how long parked events are given again at a time: those of other
// streams wait for it.
const redeliverFor = time.Second

// redeliver gives parked events again where somebody asked for it, in the order
// of their streams, one of each stream in turn, and learns of which streams something
// is parked still. What it has no time for comes at the next look.
func (d *delivery) redeliver(ctx context.Context) error {
	ready, err := d.db.firstParked(ctx, d.Name)
	if err != nil {
		return err
	}
	d.parked = map[string]bool{}
	for _, p := range ready {
		d.parked[p.Stream] = true
	}
	for began := time.Now(); len(ready) > 0 && time.Since(began) < redeliverFor; {
		p := ready[0]
		if ready = ready[1:]; !p.Again {
			continue
		}
		if err := d.giveAgain(ctx, p); err != nil {
			return err
		}
		next, err := d.db.parkedWhere(ctx, "SELECT "+parkedColumns+" FROM $S.parked WHERE cursor = $1::text AND stream = $2::text AND position >= $3::bigint ORDER BY position LIMIT 1",
			d.Name, p.Stream, int64(p.Position)) // those before are dead, and can be many
		if err != nil {
			return err
		}
		if ready = append(ready, next...); len(next) == 0 {
			delete(d.parked, p.Stream)
		}
	}
	return nil
}

func (d *delivery) giveAgain(ctx context.Context, p Parked) error {
	err := d.repeatedly(context.WithValue(ctx, againKey{}, true), p.Event)
	switch {
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return d.leave(ctx, p.Event, err.Error())
	}
	_, err = d.db.Pool.Exec(ctx, d.db.sql(`DELETE FROM $S.parked
		WHERE cursor = $1::text AND stream = $2::text AND position = $3::bigint AND $S.fence($4::text, $5::bigint)`),
		d.Name, p.Stream, int64(p.Position), cursorLease(d.Name), int64(d.token))
	return fault(err, fmt.Sprintf("the parked event at %d cannot be taken off the list", p.Position))
}

// leave leaves an event parked that was given again in vain, unless somebody has
// dropped it meanwhile.
func (d *delivery) leave(ctx context.Context, e Event, why string) error {
	tag, err := d.db.Pool.Exec(ctx, d.db.sql(`UPDATE $S.parked SET error = $4::text, again = false
		WHERE cursor = $1::text AND stream = $2::text AND position = $3::bigint AND $S.fence($5::text, $6::bigint)`),
		d.Name, e.Stream, int64(e.Position), errorText(why), cursorLease(d.Name), int64(d.token))
	if err != nil {
		return fault(err, fmt.Sprintf("the event at %d cannot be parked again", e.Position))
	}
	if tag.RowsAffected() > 0 {
		d.isParked(ctx, e, why, false)
	}
	return nil
}

// isParked tells who watches.
func (d *delivery) isParked(ctx context.Context, e Event, why string, waits bool) {
	d.db.Metrics.hasParked(d.Name)
	if waits {
		return
	}
	d.relay.logger().ErrorContext(ctx, "an event is parked",
		"consumer", d.Name, "stream", e.Stream, "position", e.Position, "trace", e.Meta.Trace, "err", why)
}

// firstParked is the first parked event of each stream, found by going from one to the
// next: those that wait behind may be many.
func (db *DB) firstParked(ctx context.Context, consumer string) ([]Parked, error) {
	return db.parkedWhere(ctx, `WITH RECURSIVE first AS (
			(SELECT p FROM $S.parked p WHERE cursor = $1::text ORDER BY stream, position LIMIT 1)
			UNION ALL
			SELECT (SELECT n FROM $S.parked n WHERE n.cursor = $1::text AND n.stream > (first.p).stream ORDER BY n.stream, n.position LIMIT 1)
			FROM first WHERE (first.p).stream IS NOT NULL)
		SELECT `+parkedColumns+` FROM (SELECT (p).* FROM first) AS head WHERE stream IS NOT NULL`, consumer)
}

// Parked lists what a consumer has parked, in the order of streams and positions,
// at most LimitEvents.
func (db *DB) Parked(ctx context.Context, consumer string) ([]Parked, error) {
	if err := db.check(); err != nil {
		return nil, err
	}
	return db.parkedWhere(ctx, "SELECT "+parkedColumns+" FROM $S.parked WHERE cursor = $1::text ORDER BY stream, position LIMIT $2::int", consumer, LimitEvents)
}

func (db *DB) parkedWhere(ctx context.Context, statement string, args ...any) ([]Parked, error) {
	rows, err := db.Pool.Query(ctx, db.sql(statement), args...)
	if err != nil {
		return nil, fault(err, "parked events cannot be read")
	}
	parked, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (p Parked, err error) {
		var version *int64
		err = row.Scan(&p.Position, &p.Stream, &version, &p.Type, &p.Data, &p.Meta.Actor, &p.Meta.Request, &p.Meta.Trace, &p.Made, &p.Error, &p.Since, &p.Again)
		if version != nil {
			p.Version = *version
		}
		return p, err
	})
	return parked, fault(err, "parked events cannot be read")
}

// Retry has the parked events of a stream given again, in their order, at the
// consumer's next look at them, which is within a second. It returns how many
// there are.
func (db *DB) Retry(ctx context.Context, consumer, stream string) (int64, error) {
	return db.decide(ctx, "UPDATE $S.parked SET again = true WHERE cursor = $1::text AND stream = $2::text", consumer, stream)
}

// Discard drops one parked event for good: this consumer never takes it. What
// waited for it is given next.
func (db *DB) Discard(ctx context.Context, consumer, stream string, position mainstem.Position) error {
	n, err := db.decide(ctx, "DELETE FROM $S.parked WHERE cursor = $1::text AND stream = $2::text AND position = $3::bigint", consumer, stream, int64(position))
	if err == nil && n == 0 {
		return mainstem.Errorf(mainstem.Invalid, "consumer %.64q has no event parked at position %d of stream %.64q", consumer, position, stream)
	}
	return err
}

// Forget deletes a consumer's cursor, what it has parked, and how far its effects
// are in this database. Do it for one that will not come back: its cursor keeps
// every event behind it. A consumer that is running under that name ends with
// Invalid.
func (db *DB) Forget(ctx context.Context, consumer string) error {
	n, err := db.decide(ctx, `WITH parked AS (DELETE FROM $S.parked WHERE cursor = $1::text),
		applied AS (DELETE FROM $S.applied WHERE name = $1::text RETURNING 1), cursor AS (DELETE FROM $S.cursor WHERE name = $1::text RETURNING 1)
		SELECT FROM applied UNION ALL SELECT FROM cursor`, consumer)
	if err == nil && n == 0 {
		return mainstem.Errorf(mainstem.Invalid, "there is no consumer %.64q", consumer)
	}
	return err
}

func (db *DB) decide(ctx context.Context, statement string, args ...any) (int64, error) {
	if err := db.check(); err != nil {
		return 0, err
	}
	tag, err := db.Pool.Exec(ctx, db.sql(statement), args...)
	return tag.RowsAffected(), fault(err, "parked events cannot be changed")
}
