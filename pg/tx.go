package pg

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/mainstemdb/mainstem"
)

// Tx is the caller's own transaction, in which Mainstem writes beside the
// caller. A pgx.Tx is one as it is; SQL makes one of a *sql.Tx; In chooses
// another schema than DefaultSchema. What is written in it is there when the
// caller's COMMIT is, and not otherwise.
//
// Every statement names its types, so that it works in each of pgx's query
// modes, and behind a pooler that gives a connection for one transaction only.
type Tx interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// SQL makes a Tx of a transaction of database/sql, with pgx's driver or another
// that has $1 for arguments and []byte for bytea.
func SQL(tx *sql.Tx) Tx { return sqlTx{tx} }

type sqlTx struct{ tx *sql.Tx }

func (t sqlTx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	result, err := t.tx.ExecContext(ctx, sql, args...)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	n, err := result.RowsAffected()
	return pgconn.NewCommandTag(fmt.Sprintf("OK %d", n)), err
}

func (t sqlTx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return t.tx.QueryRowContext(ctx, sql, args...)
}

// In is the same transaction, with Mainstem's tables in the schema of that name.
func In(schema string, tx Tx) Tx { return schemaTx{Tx: tx, schema: schema} }

// In is the same transaction, with this DB's schema, and measured by its Metrics. A
// transaction that Run or ConsumeInto gives to a function is so already.
func (db *DB) In(tx Tx) Tx { return schemaTx{Tx: tx, schema: db.schema(), metrics: db.Metrics} }

type schemaTx struct {
	Tx
	schema  string
	metrics *Metrics
}

// schemaOf is where the tables of a transaction are.
func schemaOf(tx Tx) (string, error) {
	switch t := tx.(type) {
	case schemaTx:
		return t.schema, checkSchema(t.schema)
	case *transaction:
		if t.db != nil { // else a replica's
			return t.db.schema(), nil
		}
	}
	return DefaultSchema, nil
}

// metricsOf is what measures what is done in a transaction; nil if nothing does.
func metricsOf(tx Tx) *Metrics {
	if t, ok := tx.(schemaTx); ok && t.metrics != nil {
		return t.metrics
	}
	if t := transactionOf(tx); t != nil && t.db != nil {
		return t.db.Metrics
	}
	return nil
}

// SQLSTATEs that say something of their own. See PostgreSQL's Appendix A.
const (
	stateFenced        = "MS001" // ours: a higher token was seen
	stateVersioned     = "MS002" // ours: a plain append to a stream with versions
	stateTaken         = "MS003" // ours: a log has taken over the events
	stateSerialization = "40001"
	stateDeadlock      = "40P01"
	stateUnique        = "23505"
	stateLock          = "55P03"
	stateReadOnly      = "25006"
	stateRecovery      = "55000" // a standby does not tell where it writes
	stateAborted       = "25P02"
	statePrivilege     = "42501"
	stateNoSchema      = "3F000"
	stateNoTable       = "42P01"
	stateNoFunction    = "42883"
	stateNoColumn      = "42703"
	stateDiskFull      = "53100"
	stateNoPrepared    = "26000"
	statePrepared      = "42P05"
	stateTimeout       = "57014"
)

// fault makes a Mainstem error of what PostgreSQL or the way to it said.
func fault(err error, what string) error {
	var ours *mainstem.Error
	if err == nil || errors.As(err, &ours) {
		return err
	}
	var said interface{ SQLState() string }
	if !errors.As(err, &said) || len(said.SQLState()) != 5 {
		code := mainstem.Unavailable
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			code = mainstem.Cancelled
		}
		return mainstem.Errorf(code, "%s: %w", what, err)
	}
	code, advice := mainstem.Unavailable, ""
	switch said.SQLState() {
	case stateFenced:
		code = mainstem.Fenced
	case stateTaken:
		code, advice = mainstem.Stopped, "append to that log, and follow it: through a node, or beside SQL with pgcluster.CommitWith"
	case stateVersioned:
		code, advice = mainstem.Invalid, "append to this stream with AppendVersioned"
	case stateSerialization, stateDeadlock, stateUnique, stateLock:
		code = mainstem.RetryTransaction
	case stateReadOnly, stateRecovery:
		advice = "this server is a standby, or the transaction is read-only: use the primary"
	case stateAborted:
		code, advice = mainstem.RetryTransaction, "a statement before failed and ended this transaction: roll back, and look at that statement's error"
	case statePrivilege:
		code, advice = mainstem.Denied, "grant what mainstem pg schema --role prints"
	case stateNoSchema, stateNoTable, stateNoFunction, stateNoColumn:
		code, advice = mainstem.Invalid, "run the SQL that mainstem pg schema prints, in this database"
	case stateNoPrepared, statePrepared:
		code, advice = mainstem.Invalid, "a pooler gives each transaction another session, which does not know the statements of the one before: connect with default_query_exec_mode=exec"
	case stateDiskFull:
		advice = "the server's disk is full: make room, then repeat"
	case stateTimeout:
		code = mainstem.Cancelled
	}
	if class := said.SQLState()[:2]; code == mainstem.Unavailable && (class == "22" || class == "23" || class == "42") {
		code = mainstem.Invalid // of data, constraints, and rules of access
	}
	e := mainstem.Errorf(code, "%s: %w", what, err)
	e.Advice = advice
	return e
}
