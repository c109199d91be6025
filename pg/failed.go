package pg

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/mainstemdb/mainstem"
)

// afterFailure is the error of a statement that the server refused because one
// before it had failed. What has to be judged is the cause, which the function that
// ran both may have passed over.
type afterFailure struct{ err, cause error }

func (e *afterFailure) Error() string {
	return fmt.Sprintf("%v, as a statement before failed: %v", e.err, e.cause)
}

func (e *afterFailure) Unwrap() []error { return []error{e.err, e.cause} }

// met notes the error of a statement, and passes it on.
func (t *transaction) met(err error) error {
	var said *pgconn.PgError
	switch {
	case err == nil && t.cause != nil && !t.failed():
		t.cause = nil // the function has gone back to a savepoint
	case !errors.As(err, &said):
	case said.Code != stateAborted:
		t.cause = err
	case t.cause != nil:
		return &afterFailure{err, t.cause}
	}
	return err
}

// failed reports whether the server refuses every further statement.
func (t *transaction) failed() bool {
	return t.Tx != nil && t.Tx != endedTx && t.Tx.Conn().PgConn().TxStatus() == 'E'
}

// judged tells what came of a function that ran in the transaction: why it has to be
// run again, where that may help; else its own error. That is also the error of a
// statement which failed, where the function went on as if it had not.
func (t *transaction) judged(err error) (again, own error) {
	if err != nil && t.Tx.Conn().IsClosed() {
		return mainstem.Errorf(mainstem.Unavailable, "%s: the connection broke: %w", t.what, err), nil
	}
	why := err
	if t.failed() && t.cause != nil {
		why = t.cause // whatever the function made of it
	}
	state := stateOf(why)
	switch {
	case why == nil:
		return nil, nil
	case state == stateSerialization, state == stateDeadlock, t.db.keyTaken(why):
		return mainstem.Errorf(mainstem.RetryTransaction, "%s: %w", t.what, why), nil
	case ofTheServer(state):
		return mainstem.Errorf(mainstem.Unavailable, "%s: %w", t.what, why), nil
	case state != stateAborted && mainstem.CodeOf(why) == mainstem.RetryTransaction:
		return why, nil
	case err == nil:
		return nil, fmt.Errorf("%s: its function passed over an error, after which nothing can be committed: %w", t.what, why)
	}
	return nil, err
}

// stateOf is the SQLSTATE of an error; of one that is only another's consequence,
// that of the other.
func stateOf(err error) string {
	var after *afterFailure
	if errors.As(err, &after) {
		err = after.cause
	}
	var said interface{ SQLState() string }
	if errors.As(err, &said) && len(said.SQLState()) == 5 {
		return said.SQLState()
	}
	return ""
}

// ofTheServer is true of errors which say that the server, or the way to it, cannot at
// the moment: of connections, resources, operators and the system (classes 08, 53, 57P
// and 58).
func ofTheServer(state string) bool {
	return connectionEnded(state) || len(state) == 5 && (state[:2] == "53" || state[:2] == "58")
}

// isMissing is true of errors which say that a schema, a table, a column or a function is
// not there.
func isMissing(state string) bool {
	return state == stateNoSchema || state == stateNoTable || state == stateNoColumn || state == stateNoFunction
}

// keyTaken reports whether a unique key that failed a statement is that of requests: then
// a new transaction finds the first reply.
func (db *DB) keyTaken(err error) bool {
	var said *pgconn.PgError
	return errors.As(err, &said) && said.Code == stateUnique && db != nil && said.SchemaName == db.schema() && said.TableName == "request"
}

// Rows, a row and a batch tell the errors of their statements when they are read.

type metRows struct {
	pgx.Rows
	t *transaction
}

func (r metRows) Err() error { return r.t.met(r.Rows.Err()) }

type metRow struct {
	pgx.Row
	t *transaction
}

func (r metRow) Scan(dest ...any) error { return r.t.met(r.Row.Scan(dest...)) }

type metBatch struct {
	pgx.BatchResults
	t *transaction
}

func (b metBatch) Close() error { return b.t.met(b.BatchResults.Close()) }

func (t *transaction) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if err := t.flush(ctx); err != nil {
		return pgconn.CommandTag{}, t.met(err)
	}
	tag, err := t.Tx.Exec(ctx, sql, args...)
	return tag, t.met(err)
}

func (t *transaction) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if err := t.flush(ctx); err != nil {
		return nil, t.met(err)
	}
	rows, err := t.Tx.Query(ctx, sql, args...)
	if err != nil {
		return rows, t.met(err)
	}
	return metRows{rows, t}, nil
}

func (t *transaction) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if err := t.flush(ctx); err != nil {
		return failedRow{t.met(err)}
	}
	return metRow{t.Tx.QueryRow(ctx, sql, args...), t}
}

func (t *transaction) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if err := t.flush(ctx); err != nil {
		return pgx.FailedBatchResults(b, t.met(err))
	}
	return metBatch{t.Tx.SendBatch(ctx, b), t}
}

func (t *transaction) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, rows pgx.CopyFromSource) (int64, error) {
	if err := t.flush(ctx); err != nil {
		return 0, t.met(err)
	}
	n, err := t.Tx.CopyFrom(ctx, table, columns, rows)
	return n, t.met(err)
}
