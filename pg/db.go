package pg

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mainstemdb/mainstem"
)

// DB is a pool of connections to the primary, and the schema of Mainstem's
// tables there. The zero Schema means DefaultSchema. It is not changed once used,
// and may be used from many goroutines.
type DB struct {
	Pool   *pgxpool.Pool
	Schema string
	// Metrics gets what is measured; nil measures nothing.
	Metrics *Metrics
}

func (db *DB) schema() string {
	if db.Schema == "" {
		return DefaultSchema
	}
	return db.Schema
}

// check refuses what cannot work, before anything is begun.
func (db *DB) check() error {
	if db.Pool == nil {
		return mainstem.Errorf(mainstem.Invalid, "this pg.DB has no pool")
	}
	return checkSchema(db.schema())
}

// sql is a statement with the schema's name in it.
func (db *DB) sql(statement string) string { return in(db.schema(), statement) }

// Run is Once in a transaction of its own: it begins, runs fn as Once does, and
// commits. It repeats all of that with the same key, for some ten seconds, while
// the transaction has to be run again (a serialization failure, a deadlock), the
// connection broke or the server cannot (no room, shutting down); and for as long as
// ctx lasts where the answer to COMMIT did not come: the key tells whether it was
// committed, and then the reply is the first one. When ctx ends before that is
// known, the error is Undecided; repeat with the same key. So fn can run several
// times, and what it did through tx counts once. It cannot end tx: its error rolls
// back.
//
// An error of fn's own is returned as it is, and so is any other error of a statement
// of fn's, such as that of a unique key. fn cannot pass one over: nothing can be
// committed after it, but a refusal or what fn did before a savepoint of its own.
func (db *DB) Run(ctx context.Context, r Request, fn func(ctx context.Context, tx pgx.Tx) ([]byte, error)) (Reply, error) {
	ctx, a := ask(ctx, db.Metrics, "pg.run", r.Key)
	defer a.end()
	return a.with(db.run(ctx, a, r, fn))
}

func (db *DB) run(ctx context.Context, a *asked, r Request, fn func(ctx context.Context, tx pgx.Tx) ([]byte, error)) (Reply, error) {
	if err := db.check(); err != nil {
		return Reply{}, err
	}
	const most = 10 * time.Second // of pauses in all, unless the outcome is unknown
	var undecided error
	ran := false // fn, since then
	pause, paused := time.Millisecond, time.Duration(0)
	for {
		reply, began, err := db.attempt(ctx, r, fn)
		if began && ran {
			// The key was free, and not known to a statement that began after it was free
			// before: no attempt before has committed, or will, since each holds the key for
			// as long as it could.
			undecided = nil
		}
		ran = ran || began
		again := false
		var own *ownError
		switch code := mainstem.CodeOf(err); {
		case err == nil, errors.Is(err, errClaimed):
			return reply, err
		case errors.As(err, &own) && db.knows(ctx, r.Key):
			// It was committed between the look and the lock, and fn has seen what came of that.
			err, again = own.err, true
		case errors.As(err, &own):
			a.own = true
			return Reply{}, own.err
		case code == mainstem.Undecided:
			undecided, again, ran = err, true, false
		case code == mainstem.RetryTransaction, code == mainstem.Unavailable:
			again = true
		case code == mainstem.InProgress:
			again = undecided != nil
		}
		pause = min(2*pause, 250*time.Millisecond)
		delay := pause/2 + rand.N(pause)
		paused += delay
		if again && (undecided != nil || paused <= most) && sleep(ctx, delay) {
			a.again(mainstem.CodeOf(err))
			continue
		}
		if undecided != nil {
			return Reply{}, undecided
		}
		return Reply{}, err
	}
}

// knows reports whether a request was committed, as far as can be found out.
func (db *DB) knows(ctx context.Context, key string) (known bool) {
	err := db.Pool.QueryRow(ctx, db.sql("SELECT "+knownSQL), key).Scan(&known)
	return err == nil && known
}

// ownError is an error of the caller's function, which Run does not interpret.
type ownError struct{ err error }

func (e *ownError) Error() string { return e.err.Error() }

// attempt is Once in one transaction; began says that fn was called.
func (db *DB) attempt(ctx context.Context, r Request, fn func(ctx context.Context, tx pgx.Tx) ([]byte, error)) (reply Reply, began bool, err error) {
	what := fmt.Sprintf("request %.64q", r.Key)
	o := once{Request: r, schema: db.schema()}
	if err := o.check(); err != nil {
		return Reply{}, false, err
	}
	var g glance
	t, err := db.begin(ctx, what, func(b *pgx.Batch) {
		g.queueOne(b, &o)
		if o.Refusals {
			b.Queue("SAVEPOINT " + savepoint)
		}
	})
	if err != nil {
		return Reply{}, false, err
	}
	defer t.end(ctx)
	t.slot = g.slot
	if !g.free || g.known {
		sql, args := o.opening()
		if err := o.opened(t.QueryRow(ctx, sql, args...)); err != nil {
			return Reply{}, false, err
		}
	}
	if o.reply.Replayed {
		return o.reply, false, t.commit(ctx, nil)
	}
	body, refused, err := o.call(ctx, func(ctx context.Context) ([]byte, error) {
		body, err := fn(ctx, t)
		switch again, own := t.judged(err); {
		case again != nil:
			return nil, again
		case own != nil && !errors.As(own, new(refusal)):
			return nil, &ownError{own}
		}
		return body, err
	})
	if err != nil {
		return Reply{}, true, err
	}
	if refused {
		if err := t.refuse(ctx); err != nil {
			return Reply{}, true, err
		}
	}
	err = t.commit(ctx, func(b *pgx.Batch) {
		if refused {
			b.Queue(goBack)
		}
		sql, args := o.settlement(outcome(refused), body)
		b.Queue(sql, args...)
	})
	if err != nil {
		return Reply{}, true, err
	}
	return Reply{Body: body, Refused: refused}, true, nil
}

// goBack undoes what a refusal does not keep.
const goBack = "ROLLBACK TO SAVEPOINT " + savepoint

// refuse prepares the end of a transaction whose function refused. Where a statement
// failed, going back takes a round trip of its own: COMMIT's batch may have to be
// prepared, which the server refuses until then.
func (t *transaction) refuse(ctx context.Context) error {
	t.staged = nil // they would be undone, if they could be done at all
	if !t.failed() {
		return nil
	}
	_, err := t.Tx.Exec(ctx, goBack)
	return fault(err, t.what+" cannot end")
}

// sleep pauses; false says that ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
