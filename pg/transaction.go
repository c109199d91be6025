package pg

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mainstemdb/mainstem"
)

// transaction is one that this package begins. BEGIN travels with what is
// queued behind it, and COMMIT with what is queued before it: each saves a round
// trip. A function that runs in it gets it as a pgx.Tx that it cannot end; only who
// called DB.Begin can.
type transaction struct {
	pgx.Tx  // nil until BEGIN was sent
	options pgx.TxOptions
	db      *DB             // nil at a replica
	ctx     context.Context // of who began it
	staged  []staged        // to be sent before the next statement
	slot    int16           // of events, when it was asked for; else noSlot
	callers bool            // DB.Begin gave it, so Commit and Rollback end it
	broken  error           // why something that waited, or BEGIN, was not sent
	cause   error           // of the statement after which the server refuses others
	conn    *pgxpool.Conn
	what    string
	seenSQL string
	session *Session
	began   seen // where it began, if there is a session
}

// endedTx refuses every call. pgx cannot be told that a transaction has ended by
// a COMMIT in a batch.
var endedTx = func() pgx.Tx {
	var b pgx.Batch
	b.BeginTx(pgx.TxOptions{})
	return pgx.FailedBatchResults(&b, pgx.ErrTxClosed).Tx()
}()

// readCommitted is what this package's own transactions are.
var readCommitted = pgx.TxOptions{IsoLevel: pgx.ReadCommitted}

// Begin begins a transaction of the pool's for the caller to end, in which Once and
// Append take fewer round trips than in one that the pool began: what they write
// waits for the transaction's next statement, by whichever method that comes, and
// travels with it, at the latest with COMMIT. Nothing is seen too early or too late;
// only an error of such a write comes with that statement. A Session of ctx sees
// what is committed. An error of Commit is Undecided unless the server said that
// nothing was committed: Run finds out, here it is the caller who repeats under the
// same key.
//
// pgx.BeginFunc takes a DB: pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error { … }).
func (db *DB) Begin(ctx context.Context) (pgx.Tx, error) { return db.BeginTx(ctx, pgx.TxOptions{}) }

// BeginTx is Begin with options, for pgx.BeginTxFunc. A connection is taken at once;
// BEGIN too waits for the first statement.
func (db *DB) BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error) {
	if err := db.check(); err != nil {
		return nil, err
	}
	t, err := db.take(ctx, "a transaction", options)
	if err != nil {
		return nil, err
	}
	t.callers = true
	return t, nil
}

func (db *DB) take(ctx context.Context, what string, options pgx.TxOptions) (*transaction, error) {
	t, err := take(ctx, db.Pool, what, options)
	if err != nil {
		return nil, err
	}
	t.db, t.session, t.seenSQL = db, SessionOf(ctx), db.sql(seenSQL)
	return t, nil
}

// take takes a connection for a transaction.
func take(ctx context.Context, pool *pgxpool.Pool, what string, options pgx.TxOptions) (*transaction, error) {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return nil, fault(err, what+": no connection")
	}
	return &transaction{ctx: ctx, conn: conn, what: what, options: options, slot: noSlot}, nil
}

// begin begins a transaction together with the statements that first queues; an
// error of this package's from one of them is returned as it is. The caller ends it.
func (db *DB) begin(ctx context.Context, what string, first func(b *pgx.Batch)) (*transaction, error) {
	t, err := db.take(ctx, what, readCommitted)
	if err != nil {
		return nil, err
	}
	return t.begun(ctx, first)
}

func begin(ctx context.Context, pool *pgxpool.Pool, what string, options pgx.TxOptions, first func(b *pgx.Batch)) (*transaction, error) {
	t, err := take(ctx, pool, what, options)
	if err != nil {
		return nil, err
	}
	return t.begun(ctx, first)
}

func (t *transaction) begun(ctx context.Context, first func(b *pgx.Batch)) (*transaction, error) {
	if err := t.open(ctx, first); err != nil {
		t.end(ctx)
		return nil, fault(err, t.what+" cannot begin")
	}
	return t, nil
}

// open sends BEGIN, what waits, and the statements that first queues.
func (t *transaction) open(ctx context.Context, first func(b *pgx.Batch)) error {
	var b pgx.Batch
	b.BeginTx(t.options)
	if t.session != nil && !t.session.timed {
		b.Queue(t.seenSQL).QueryRow(t.began.scan)
	}
	t.queue(&b)
	if first != nil {
		first(&b)
	}
	sent := t.conn.SendBatch(ctx, &b)
	t.Tx = sent.Tx()
	return t.sent(sent.Close())
}

// sent notes that what was to be sent may not have been: the connection can be sound,
// and a COMMIT on it would leave that out. Where it was the server that refused, the
// transaction has failed there.
func (t *transaction) sent(err error) error {
	if err != nil && !errors.As(err, new(*pgconn.PgError)) {
		t.broken = err
	}
	return err
}

// commit commits together with the statements that last queues: if one of them
// fails, nothing is committed. An error is Undecided unless the server said that
// nothing was.
func (t *transaction) commit(ctx context.Context, last func(b *pgx.Batch)) error {
	if t.broken != nil {
		return mainstem.Errorf(mainstem.RetryTransaction, "%s: what came before could not be sent: %w", t.what, t.broken)
	}
	if t.Tx == nil {
		if err := t.open(ctx, nil); err != nil {
			return fault(err, t.what)
		}
	}
	var b pgx.Batch
	t.queue(&b)
	if last != nil {
		last(&b)
	}
	done, after := false, seen{lsn: unplaced}
	b.Queue("COMMIT").Exec(func(tag pgconn.CommandTag) error {
		if done = tag.String() == "COMMIT"; !done {
			return pgx.ErrTxCommitRollback
		}
		return nil
	})
	var asked int
	if t.session != nil && !t.session.timed {
		asked = t.session.ask()
		b.Queue(t.seenSQL).QueryRow(after.scan)
	}
	unwarned(t.conn.Conn())
	err := t.conn.SendBatch(ctx, &b).Close()
	if !done {
		return t.uncommitted(err)
	}
	t.Tx = endedTx
	switch warning := unwarned(t.conn.Conn()); {
	case warning != "":
		return mainstem.Errorf(mainstem.Undecided, "%s: it is committed here, and perhaps nowhere else: the server said %q", t.what, warning)
	case t.session != nil:
		t.session.cover(ctx, t.conn, asked, t.began, after)
	}
	return nil
}

// uncommitted is committed, where a unique key of the caller's own may be checked
// at last: that is no reason to run again, as that of requests is.
func (t *transaction) uncommitted(err error) error {
	var said *pgconn.PgError
	if errors.As(err, &said) && said.Code == stateUnique && !t.db.keyTaken(err) {
		return mainstem.Errorf(mainstem.Invalid, "%s: %w", t.what, err)
	}
	return committed(t.met(err), t.what)
}

// end gives the connection back, and rolls back what was not committed, at the
// latest by ending the connection.
func (t *transaction) end(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if t.Tx != nil {
		_ = t.Tx.Rollback(ctx)
	}
	t.Tx = endedTx
	t.conn.Release()
}

// tx runs fn in a transaction of read committed. An error of COMMIT is Undecided
// unless the server said that nothing was committed.
func (db *DB) tx(ctx context.Context, what string, fn func(tx pgx.Tx) error) error {
	return db.txAfter(ctx, what, nil, fn)
}

// txAfter is tx, with statements that travel with BEGIN.
func (db *DB) txAfter(ctx context.Context, what string, first func(b *pgx.Batch), fn func(tx pgx.Tx) error) error {
	t, err := db.begin(ctx, what, first)
	if err != nil {
		return err
	}
	defer t.end(ctx)
	if err := fn(t); err != nil {
		return err
	}
	return t.commit(ctx, nil)
}

// committed tells what came of a COMMIT that was not answered with success.
func committed(err error, what string) error {
	var said interface{ SQLState() string }
	switch {
	case errors.Is(err, pgx.ErrTxCommitRollback):
		return mainstem.Errorf(mainstem.RetryTransaction, "%s: %w", what, err)
	case errors.As(err, &said) && !connectionEnded(said.SQLState()):
		return fault(err, what)
	default:
		return mainstem.Errorf(mainstem.Undecided, "%s: COMMIT was sent, and its answer did not come: %w", what, err)
	}
}

// connectionEnded is true of errors by which a server ends a connection, which
// say nothing of what it did before (classes 08 and 57P).
func connectionEnded(state string) bool {
	return len(state) == 5 && (state[:2] == "08" || state[:3] == "57P")
}
