package pg

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
)

// Status is what there is to know of a schema at one moment.
type Status struct {
	Schema  string            `json:"schema"`
	Last    mainstem.Position `json:"last"`   // the newest position
	Era     int64             `json:"era"`    // 0, and one more after each failover or restore
	Staged  bool              `json:"staged"` // something is committed and has no position yet
	Relay   string            `json:"relay"`  // who numbers; empty if nobody does
	Claims  int64             `json:"claims"` // requests whose outcome somebody has to say
	Keys    int64             `json:"keys"`   // of requests, as the server estimates
	Kept    int64             `json:"kept"`   // bytes of tables and indexes
	Cursors []ConsumerStatus  `json:"cursors"`
}

// ConsumerStatus is a cursor.
type ConsumerStatus struct {
	Name     string            `json:"name"`
	Position mainstem.Position `json:"position"`
	// Behind is how many events are after it; LagMost means that many or more.
	Behind int64     `json:"behind"`
	Parked int64     `json:"parked"`
	Moved  time.Time `json:"moved"`
	Owner  string    `json:"owner"` // who consumes; empty if nobody does
}

// LagMost is where Status stops counting how far a cursor is behind.
const LagMost = 100_000

// Status looks, and changes nothing.
func (db *DB) Status(ctx context.Context) (s Status, err error) {
	if err := db.check(); err != nil {
		return s, err
	}
	if err := checkLayout(ctx, db.Pool, db.schema()); err != nil {
		return s, err
	}
	s.Schema = db.schema()
	err = db.Pool.QueryRow(ctx, db.sql(`SELECT last, (SELECT greatest(count(*) - 1, 0) FROM $S.era), $S.pending(),
		coalesce((SELECT owner FROM $S.lease WHERE name = $1::text AND until > clock_timestamp()), ''),
		(SELECT count(*) FROM $S.request WHERE state = $2::int),
		(SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = '$S.request'::regclass),
		(SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c WHERE relnamespace = '$S'::regnamespace AND relkind = 'r')
		FROM $S.place()`), relayLease, stateClaimed,
	).Scan(&s.Last, &s.Era, &s.Staged, &s.Relay, &s.Claims, &s.Keys, &s.Kept)
	if err != nil {
		return s, fault(err, "the status cannot be read")
	}
	rows, err := db.Pool.Query(ctx, db.sql(`SELECT name, position,
		(SELECT count(*) FROM (SELECT FROM $S.numbered n WHERE n.position > c.position LIMIT $1::int) AS later),
		(SELECT count(*) FROM $S.parked p WHERE p.cursor = c.name), moved,
		coalesce((SELECT owner FROM $S.lease l WHERE l.name = '~cursor/' || c.name AND until > clock_timestamp()), '')
		FROM $S.cursors() c ORDER BY name`), LagMost)
	if err != nil {
		return s, fault(err, "the cursors cannot be read")
	}
	s.Cursors, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (c ConsumerStatus, err error) {
		err = row.Scan(&c.Name, &c.Position, &c.Behind, &c.Parked, &c.Moved, &c.Owner)
		return c, err
	})
	return s, fault(err, "the cursors cannot be read")
}
