package pg

import (
	"context"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/mainstemdb/mainstem"
)

// atOnce sends a whole transaction of read committed as one message: the statements
// that are queued between its BEGIN and its COMMIT. Whoever is stopped or cut off
// after that has left no transaction open, so what locks something on which others
// wait is done so. (One statement without BEGIN would have the isolation of the
// role's settings.) An error is Undecided unless the server said that nothing was
// committed.
func (db *DB) atOnce(ctx context.Context, what string, statements func(b *pgx.Batch)) error {
	t, err := db.take(ctx, what, readCommitted)
	if err != nil {
		return err
	}
	defer t.end(ctx)
	done := false
	unwarned(t.conn.Conn())
	err = t.open(ctx, func(b *pgx.Batch) {
		statements(b)
		b.Queue("COMMIT").Exec(func(tag pgconn.CommandTag) error {
			if done = tag.String() == "COMMIT"; !done {
				return pgx.ErrTxCommitRollback
			}
			return nil
		})
	})
	if err != nil || !done {
		return committed(err, what)
	}
	t.Tx = endedTx
	if warning := unwarned(t.conn.Conn()); warning != "" {
		return mainstem.Errorf(mainstem.Undecided, "%s: it is committed here, and perhaps nowhere else: the server said %q", what, warning)
	}
	return nil
}

// idleFactor is how many TTLs of a relay one of its transactions may be without a
// statement: others wait for what it holds.
const idleFactor = 6

// idle is how long that is.
func (r *Relay) idle() time.Duration { return idleFactor * r.ttl() }

// lockSooner has a statement that waits for a lock end for that, rather than for the time
// it takes in all.
const lockSooner = `SELECT set_config('lock_timeout', ceil(900 * extract(epoch FROM took))::bigint::text, true)
	FROM (SELECT current_setting('statement_timeout')::interval, current_setting('lock_timeout')::interval) AS most (took, waited)
	WHERE took > '0' AND (waited = '0' OR waited > 0.9 * took)`

// bounded is tx, but the server ends the transaction when it is left without a
// statement for so long.
func (db *DB) bounded(ctx context.Context, what string, idle time.Duration, fn func(tx pgx.Tx) error) error {
	return db.txAfter(ctx, what, func(b *pgx.Batch) {
		b.Queue("SELECT set_config('idle_in_transaction_session_timeout', $1::text, true)", strconv.FormatInt(idle.Milliseconds(), 10))
		b.Queue(lockSooner)
	}, fn)
}
