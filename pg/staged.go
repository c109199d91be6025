package pg

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// staged is a statement of Append or Once that waits for the next one, and is sent
// before it: the last ones of a transaction travel with its COMMIT. Nothing comes in
// between, so to the server it is as if it had been sent at once.
type staged struct {
	sql  string
	args []any
}

// stagedMost statements wait at most.
const stagedMost = 16

// stage has a statement wait.
func (t *transaction) stage(ctx context.Context, s staged) error {
	switch {
	case t.Tx == endedTx:
		return pgx.ErrTxClosed
	case t.broken != nil:
		return t.broken
	}
	t.staged = append(t.staged, s)
	if len(t.staged) < stagedMost {
		return nil
	}
	return t.flush(ctx)
}

// queue puts what waits into a batch.
func (t *transaction) queue(b *pgx.Batch) {
	for _, s := range t.staged {
		b.Queue(s.sql, s.args...)
	}
	t.staged = nil
}

// flush sends what waits.
func (t *transaction) flush(ctx context.Context) error {
	switch {
	case t.broken != nil:
		return t.broken
	case t.Tx == nil:
		return t.open(ctx, nil)
	case len(t.staged) == 0:
		return nil
	}
	var b pgx.Batch
	t.queue(&b)
	return t.sent(t.Tx.SendBatch(ctx, &b).Close())
}

var errNotYours = errors.New("this transaction is ended by who began it: return nil to commit it, and an error to roll it back")

// Commit is for who began the transaction by DB.Begin.
func (t *transaction) Commit(ctx context.Context) error {
	switch {
	case !t.callers:
		return errNotYours
	case t.Tx == endedTx:
		return pgx.ErrTxClosed
	}
	defer t.end(ctx)
	return t.commit(ctx, nil)
}

func (t *transaction) Rollback(ctx context.Context) error {
	switch {
	case !t.callers:
		return errNotYours
	case t.Tx == endedTx:
		return pgx.ErrTxClosed
	}
	t.end(ctx)
	return nil
}

// What a function does in the transaction comes after what it has appended.

func (t *transaction) Begin(ctx context.Context) (pgx.Tx, error) {
	if err := t.flush(ctx); err != nil {
		return nil, err
	}
	return t.Tx.Begin(ctx)
}

type failedRow struct{ err error }

func (r failedRow) Scan(...any) error { return r.err }

func (t *transaction) Prepare(ctx context.Context, name, sql string) (*pgconn.StatementDescription, error) {
	if err := t.flush(ctx); err != nil {
		return nil, err
	}
	return t.Tx.Prepare(ctx, name, sql)
}

// LargeObjects and Conn give ways around the transaction, so nothing may wait. An
// error of the flush is kept: what comes next says so, at the latest COMMIT.
func (t *transaction) LargeObjects() pgx.LargeObjects {
	_ = t.flush(t.ctx)
	return t.Tx.LargeObjects()
}

func (t *transaction) Conn() *pgx.Conn {
	_ = t.flush(t.ctx)
	return t.Tx.Conn()
}

// transactionOf is the transaction of this package's beneath a Tx; nil if it is
// another's.
func transactionOf(tx Tx) *transaction {
	t, _ := bare(tx).(*transaction)
	return t
}

// bare is a transaction without what In says of it.
func bare(tx Tx) Tx {
	for {
		s, ok := tx.(schemaTx)
		if !ok {
			return tx
		}
		tx = s.Tx
	}
}

// together sends the statements that queue queues in one round trip, if the
// transaction has a way to do that.
func together(ctx context.Context, tx Tx, queue func(b *pgx.Batch)) (can bool, err error) {
	if own := transactionOf(tx); own != nil && own.Tx == nil {
		return true, own.open(ctx, queue)
	}
	many, can := bare(tx).(interface {
		SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
	})
	if !can {
		return false, nil
	}
	var b pgx.Batch
	queue(&b)
	return true, many.SendBatch(ctx, &b).Close()
}
