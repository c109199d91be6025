package peer

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
)

// Events is package pg on a database: what its requests and events are, for
// scenarios that only it has. Its Do is pg.Run.
type Events struct {
	*requestSystem
	DB *pg.DB
}

// relayConnections are for the relay and consumers, beside those of the clients.
const relayConnections = 8

// OpenEvents opens package pg.
func OpenEvents(ctx context.Context, c Config) (*Events, error) {
	s, err := openRequests(ctx, c, min(c.Clients, mostConnections)+relayConnections, mainstemTables, pgRun)
	if err != nil {
		return nil, err
	}
	return &Events{requestSystem: s, DB: &pg.DB{Pool: s.Pool}}, nil
}

// Relay is a relay that listens or polls.
func (e *Events) Relay(listen bool, poll time.Duration) *pg.Relay {
	r := &pg.Relay{DB: e.DB, Poll: poll}
	if listen {
		r.Listen = e.Config
	}
	return r
}

// Request is a payment whose key is kept for so long.
func (e *Events) Request(ctx context.Context, age time.Duration) error {
	return payByRun(ctx, e.DB, e.payment(), age)
}

// Append commits one event that carries a number, and says when COMMIT was sent
// and when it was answered.
func (e *Events) Append(ctx context.Context, number int64) (sent, answered time.Time, err error) {
	data := make([]byte, replyBytes)
	binary.BigEndian.PutUint64(data, uint64(number))
	tx, err := e.Pool.Begin(ctx)
	if err != nil {
		return sent, answered, err
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) //nolint:errcheck // after a commit it does nothing
	if err := pg.Append(ctx, tx, fmt.Sprintf("order/%d", number%1000), mainstem.Event{Type: eventType, Data: data}); err != nil {
		return sent, answered, err
	}
	sent = time.Now()
	err = tx.Commit(ctx)
	return sent, time.Now(), err
}

// NumberOf is the number that Append gave an event.
func NumberOf(e *pg.Event) int64 { return int64(binary.BigEndian.Uint64(e.Data)) }

// fillRows is how many rows one transaction of a filling inserts.
const fillRows = 10_000

// Stage commits n events that nobody has numbered.
func (e *Events) Stage(ctx context.Context, n int) error {
	return e.fill(ctx, n, "INSERT INTO mainstem.event (stream, type, data) SELECT 'order/' || i % 1000, 'paid', $1 FROM generate_series(1, $2) i")
}

// Retain commits n requests that are answered, and kept for a day.
func (e *Events) Retain(ctx context.Context, n int) error {
	return e.fill(ctx, n, `INSERT INTO mainstem.request (key, hash, state, reply, until)
		SELECT 'charge/' || md5(random()::text), sha256(i::text::bytea), 1, $1, now() + interval '1 day' FROM generate_series(1, $2) i`)
}

func (e *Events) fill(ctx context.Context, n int, sql string) error {
	for left := n; left > 0; left -= fillRows {
		if _, err := e.Pool.Exec(ctx, sql, e.data, min(left, fillRows)); err != nil {
			return err
		}
	}
	return nil
}

// Settle leaves the server as it is some time after rows were written: looked
// at by VACUUM.
func (e *Events) Settle(ctx context.Context) error { return e.run(ctx, "VACUUM ANALYZE") }

// Subscribe makes a cursor behind what is numbered so far.
func (e *Events) Subscribe(ctx context.Context, name string) error {
	_, err := e.Number(ctx, "SELECT mainstem.subscribe($1::text, true)", name)
	return err
}

// Sizes are the bytes of the schema's tables, and of their indexes.
func (e *Events) Sizes(ctx context.Context) (tables, indexes int64, err error) {
	err = e.Pool.QueryRow(ctx, `SELECT sum(pg_table_size(c.oid))::bigint, sum(pg_indexes_size(c.oid))::bigint
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'mainstem' AND c.relkind = 'r'`).Scan(&tables, &indexes)
	return tables, indexes, err
}

// Hasten makes the ring of tables turn in so many seconds per table, instead of
// the package's own.
func (e *Events) Hasten(ctx context.Context, turn time.Duration) error {
	return e.run(ctx, fmt.Sprintf(`CREATE OR REPLACE FUNCTION mainstem.slot() RETURNS smallint LANGUAGE sql VOLATILE AS
		$$ SELECT (floor(extract(epoch FROM clock_timestamp()) / %f)::bigint %% 4)::smallint $$`, turn.Seconds()))
}

// Expire deletes keys that are kept for pg.MinAge once they are older than this.
func (e *Events) Expire(ctx context.Context, age time.Duration) error {
	for {
		n, err := e.Number(ctx, "SELECT mainstem.expire(make_interval(secs => $1::float8), $2::int)", (age - pg.MinAge).Seconds(), fillRows)
		if err != nil || n < fillRows {
			return err
		}
	}
}

// Prune drops the payments, which are the business's to prune.
func (e *Events) Prune(ctx context.Context) error {
	_, err := e.Pool.Exec(ctx, "TRUNCATE payment", pgx.QueryExecModeSimpleProtocol)
	return err
}
