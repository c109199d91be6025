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

// transaction is one that this package begins and ends. BEGIN travels with what is
// queued behind it, and COMMIT with what is queued before it: each saves a round
// trip. A function that runs in it gets it as a pgx.Tx that it cannot end.
type transaction struct {
	pgx.Tx
	db      *DB             // nil at a replica
	ctx     context.Context // of who began it
	staged  []staged        // to be sent before the next statement
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

// begin begins a transaction together with the statements that first queues; an
// error of this package's from one of them is returned as it is. The caller ends it.
func (db *DB) begin(ctx context.Context, what string, first func(b *pgx.Batch)) (*transaction, error) {
	session := SessionOf(ctx)
	var began seen
	t, err := begin(ctx, db.Pool, what, readCommitted, func(b *pgx.Batch) {
		if session != nil && !session.timed {
			b.Queue(db.sql(seenSQL)).QueryRow(began.scan)
		}
		if first != nil {
			first(b)
		}
	})
	if err != nil {
		return nil, err
	}
	t.db, t.session, t.began, t.seenSQL = db, session, began, db.sql(seenSQL)
	return t, nil
}

func begin(ctx context.Context, pool *pgxpool.Pool, what string, options pgx.TxOptions, first func(b *pgx.Batch)) (*transaction, error) {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return nil, fault(err, what+": no connection")
	}
	t := &transaction{ctx: ctx, conn: conn, what: what}
	var b pgx.Batch
	b.BeginTx(options)
	first(&b)
	sent := conn.SendBatch(ctx, &b)
	t.Tx = sent.Tx()
	if err := sent.Close(); err != nil {
		t.end(ctx)
		return nil, fault(err, what+" cannot begin")
	}
	return t, nil
}

// commit commits together with the statements that last queues: if one of them
// fails, nothing is committed. An error is Undecided unless the server said that
// nothing was.
func (t *transaction) commit(ctx context.Context, last func(b *pgx.Batch)) error {
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
		return committed(err, t.what)
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

// end gives the connection back, and rolls back what was not committed, at the
// latest by ending the connection.
func (t *transaction) end(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_ = t.Tx.Rollback(ctx)
	t.Tx = endedTx
	t.conn.Release()
}

// tx runs fn in a transaction of read committed. An error of COMMIT is Undecided
// unless the server said that nothing was committed.
func (db *DB) tx(ctx context.Context, what string, fn func(tx pgx.Tx) error) error {
	t, err := db.begin(ctx, what, nil)
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
