package postgres

import (
	"context"
	"encoding/hex"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/journal"
)

// Within is a log seen from within a transaction that its caller ends, on the same
// server and in the same database. What is appended through it is in the log once
// that transaction is committed, and not before.
type Within struct {
	// ID is the database whose log this is, and Partitions how many it has.
	ID         [16]byte
	Partitions int

	tx     pgx.Tx
	schema string
}

// NewWithin looks into a schema, empty for DefaultSchema. The transaction must be of
// READ COMMITTED: in a snapshot the tail that is locked could not be read.
func NewWithin(ctx context.Context, tx pgx.Tx, schema string) (*Within, error) {
	if schema == "" {
		schema = DefaultSchema
	}
	if err := checkSchema(schema); err != nil {
		return nil, err
	}
	w := &Within{tx: tx, schema: schema}
	var level string
	if err := tx.QueryRow(ctx, "SELECT current_setting('transaction_isolation')").Scan(&level); err != nil {
		return nil, w.fault(err, "cannot be looked at")
	}
	if level != "read committed" {
		e := mainstem.Errorf(mainstem.Invalid, "the transaction is %s; the tail of a log can be locked in read committed only", level)
		e.Advice = "begin it with pgx.TxOptions{IsoLevel: pgx.ReadCommitted}"
		return nil, e
	}
	var found int
	err := tx.QueryRow(ctx, in(schema, "SELECT layout, id, partitions FROM $S.database")).Scan(&found, &w.ID, &w.Partitions)
	if err != nil {
		return nil, w.fault(err, "cannot be looked at")
	}
	if found != layout {
		return nil, mainstem.Errorf(mainstem.Invalid, "schema %s has layout %d, this program needs %d: print the SQL again and run it", schema, found, layout)
	}
	return w, nil
}

// Within is this log within a caller's transaction, which must be in the log's own
// database.
func (l *Log) Within(ctx context.Context, tx pgx.Tx) (*Within, error) {
	w, err := NewWithin(ctx, tx, l.server.schema)
	if err != nil {
		return nil, err
	}
	if w.ID != l.server.id {
		return nil, mainstem.Errorf(mainstem.Invalid, "the transaction is in a database whose schema %s holds the log of %s; this node's is %s",
			w.schema, hex.EncodeToString(w.ID[:]), hex.EncodeToString(l.server.id[:]))
	}
	return w, nil
}

// Tail is where a partition ends now, without a lock.
func (w *Within) Tail(ctx context.Context, part int) (index uint64, err error) {
	var tail int64
	if err := w.tx.QueryRow(ctx, in(w.schema, "SELECT tail FROM $S.newest($1)"), int16(part)).Scan(&tail); err != nil {
		return 0, w.fault(err, fmt.Sprintf("does not show the tail of partition %d", part))
	}
	return uint64(tail), nil
}

// Lock locks the tail of a partition until the transaction ends, and says which it
// is, and what is in the log from a slot on: until then nobody appends to it. It waits
// for at most TailTimeout. Within a savepoint it refuses: ending that commits nothing.
func (w *Within) Lock(ctx context.Context, part int, from uint64) (head journal.Head, entries []journal.Entry, err error) {
	var tail int64
	var hash []byte
	var outermost bool
	var b pgx.Batch
	b.Queue(in(w.schema, "SELECT * FROM $S.hold($1)"), int16(part)).QueryRow(func(row pgx.Row) error { return row.Scan(&tail, &hash, &outermost) })
	b.Queue(in(w.schema, "SELECT slot, record FROM $S.record WHERE part = $1 AND slot >= $2 ORDER BY slot"), int16(part), int64(from)).Query(func(rows pgx.Rows) error {
		var slot int64
		var record []byte
		_, err := pgx.ForEachRow(rows, []any{&slot, &record}, func() error {
			entries = append(entries, journal.Entry{Slot: uint64(slot), Record: record})
			record = nil
			return nil
		})
		return err
	})
	if err := w.tx.SendBatch(ctx, &b).Close(); err != nil {
		return head, nil, w.fault(err, fmt.Sprintf("does not lock the tail of partition %d", part))
	}
	if !outermost {
		return head, nil, mainstem.Errorf(mainstem.Invalid, "the transaction is within a savepoint; the tail of a log is locked by the outermost one")
	}
	return journal.Head{Index: uint64(tail), Hash: journal.Hash(hash), Slot: uint64(tail)}, entries, nil
}

// Append puts a record after the tail that was locked.
func (w *Within) Append(ctx context.Context, part int, after journal.Head, record []byte) (journal.Head, error) {
	if len(record) > journal.MaxRecord {
		return journal.Head{}, mainstem.Errorf(mainstem.TooLarge, "the record has %d bytes, the limit is %d", len(record), journal.MaxRecord)
	}
	head := journal.Head{Index: after.Index + 1, Hash: journal.Sum(record), Slot: after.Index + 1}
	outcome := 0
	err := w.tx.QueryRow(ctx, in(w.schema, "SELECT $S.append($1, $2, $3, $4, $5)"),
		int16(part), int64(after.Index), after.Hash[:], head.Hash[:], record).Scan(&outcome)
	if err != nil {
		return journal.Head{}, w.fault(err, fmt.Sprintf("takes no record %d of partition %d", head.Index, part))
	}
	if outcome != 1 {
		return journal.Head{}, mainstem.Errorf(mainstem.RetryTransaction, "log %s: index %d (%v) of partition %d is not the tail (L2)", w.schema, after.Index, after.Hash, part)
	}
	return head, nil
}

// fault is what the server said of a statement. It has ended the transaction.
func (w *Within) fault(err error, what string) error {
	c, advice := mainstem.RetryTransaction, ""
	switch code(err) {
	case undefinedTable, undefinedSchema:
		c, advice = mainstem.Invalid, "run the SQL that mainstem cluster schema prints, as the schema's owner, in this database"
	case insufficientPrivilege:
		c, advice = mainstem.Denied, "grant this role what mainstem cluster schema --grant prints"
	case "":
		c = mainstem.Unavailable
	}
	e := mainstem.Errorf(c, "log %s %s: %w", w.schema, what, err)
	e.Advice = advice
	return e
}

// Appended tells nodes of a record that somebody else has committed for this one.
func (l *Log) Appended(head journal.Head) { l.server.watch.appended(int(l.part), head.Slot) }
