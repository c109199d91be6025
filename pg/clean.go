package pg

import (
	"context"
	"time"

	"github.com/mainstemdb/mainstem"
)

// cleanBatch is how many keys are deleted in one transaction: few enough that
// nobody notices, and only rows that nobody holds.
const cleanBatch = 1000

// keptLonger is how much longer than their age keys are kept: clocks of servers
// that take over from each other may differ by so much, and no key is lost early.
const keptLonger = 10 * time.Minute

// Clean deletes keys that are older than their age, in small transactions which
// wait for nobody and which nobody waits for, until none is left or ctx ends. It
// returns how many. Claims whose outcome is not known stay: somebody has to say
// what became of them.
func (db *DB) Clean(ctx context.Context) (deleted int64, err error) {
	if err := db.check(); err != nil {
		return 0, err
	}
	return db.clean(ctx, 0)
}

// clean is Clean for at most so long, if that is not 0.
func (db *DB) clean(ctx context.Context, most time.Duration) (deleted int64, err error) {
	began := time.Now()
	for {
		var n int64
		err := db.Pool.QueryRow(ctx, db.sql("SELECT $S.expire(make_interval(secs => $1::float8), $2::int)"), keptLonger.Seconds(), cleanBatch).Scan(&n)
		if err != nil {
			return deleted, fault(err, "old request keys cannot be deleted")
		}
		db.Metrics.cleaned(n)
		if deleted += n; n < cleanBatch || most > 0 && time.Since(began) > most {
			return deleted, nil
		}
	}
}

// Resolve says what became of a claimed request whose outcome was not known: with
// a reply, that it is done, and with no reply at all (nil), that nothing
// happened, so that it can run again. A reply is kept for the request's age from now
// on, however old the claim is. A request in any other state is a Conflict.
func (db *DB) Resolve(ctx context.Context, key string, reply []byte) error {
	if err := db.check(); err != nil {
		return err
	}
	statement, args := "DELETE FROM $S.request WHERE key = $1::text AND state = $2::int", []any{key, stateClaimed}
	if reply != nil {
		statement = "UPDATE $S.request SET state = $3::int, reply = $4::bytea, until = clock_timestamp() + (until - made) WHERE key = $1::text AND state = $2::int"
		args = append(args, stateDone, reply)
	}
	tag, err := db.Pool.Exec(ctx, db.sql(statement), args...)
	if err != nil {
		return fault(err, "the request cannot be resolved")
	}
	if tag.RowsAffected() == 0 {
		return mainstem.Errorf(mainstem.Conflict, "request %.64q is not claimed", key)
	}
	return nil
}
