package pg

import (
	"context"
	_ "embed" // for the SQL
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
)

// Handover is the events of a schema on their way into a log that goes on from
// them, within one transaction: when that is committed they are the log's, and when
// it is not, nothing has happened.
type Handover struct {
	// After is the position up to which every consumer has taken everything, and
	// Last the newest one that was given. What lies between is to be handed over.
	After, Last mainstem.Position
	// Consumers are the cursors, from After to Last, by name.
	Consumers []Cursor
	// Streams are those of AppendVersioned, by name.
	Streams []Versioned

	tx     pgx.Tx
	schema string
}

// Cursor is how far a consumer is.
type Cursor struct {
	Name     string
	Position mainstem.Position
}

// Versioned is a stream with the version it has reached.
type Versioned struct {
	Name    string
	Version int64
}

// Taken says which log has taken over a schema's events.
type Taken struct {
	Log       string            `json:"log"`
	After     mainstem.Position `json:"after"` // what consumers had taken before
	Last      mainstem.Position `json:"last"`  // the newest position that this schema gave
	Consumers int               `json:"consumers"`
	At        time.Time         `json:"at"`
}

// TakenBy is the log that has taken over; nil if none has.
func TakenBy(ctx context.Context, tx Tx, schema string) (*Taken, error) {
	if err := checkSchema(schema); err != nil {
		return nil, err
	}
	if err := checkLayout(ctx, tx, schema); err != nil {
		return nil, err
	}
	var there bool
	if err := tx.QueryRow(ctx, "SELECT to_regclass($1::text) IS NOT NULL", quote(schema)+".taken").Scan(&there); err != nil || !there {
		return nil, fault(err, fmt.Sprintf("schema %s cannot be looked at", schema))
	}
	t := new(Taken)
	err := tx.QueryRow(ctx, in(schema, "SELECT log, after, last, consumers, at FROM $S.taken")).Scan(&t.Log, &t.After, &t.Last, &t.Consumers, &t.At)
	return t, fault(err, fmt.Sprintf("schema %s cannot be looked at", schema))
}

// HandOver gives all that is staged its position, and says what a log has to take.
// It locks the tables of events, so callers of Append wait until the transaction
// ends; it waits itself, for as long as the transaction's lock_timeout says, for
// those that have appended and not committed. Nothing may be parked.
//
// The transaction must be of READ COMMITTED, and its role the schema's owner.
func HandOver(ctx context.Context, tx pgx.Tx, schema string) (*Handover, error) {
	h := &Handover{tx: tx, schema: schema}
	return h.through(ctx, h.lock, h.number, h.bounds, h.cursors, h.streams)
}

// Survey is what HandOver would find, looked at without a lock: what is staged and
// has no position yet is not counted.
func Survey(ctx context.Context, tx pgx.Tx, schema string) (*Handover, error) {
	h := &Handover{tx: tx, schema: schema}
	return h.through(ctx, h.bounds, h.cursors, h.streams)
}

func (h *Handover) through(ctx context.Context, steps ...func(context.Context) error) (*Handover, error) {
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, fault(err, fmt.Sprintf("schema %s cannot be handed over", h.schema))
		}
	}
	return h, nil
}

func (h *Handover) sql(statement string) string { return in(h.schema, statement) }

// lock takes what others lock in the order in which they do: a relay its fence, its row,
// and then tables, AppendVersioned a stream and then events. Who has such a row would
// otherwise wait for a table that is locked here, and be waited for.
func (h *Handover) lock(ctx context.Context) error {
	for _, statement := range []string{
		"INSERT INTO $S.fence AS f (resource, token) VALUES ('~relay', 0) ON CONFLICT (resource) DO UPDATE SET token = f.token",
		"SELECT FROM $S.relay ORDER BY step DESC LIMIT 1 FOR UPDATE",
		"LOCK TABLE $S.stream, $S.event, $S.numbered, $S.relay, $S.cursor, $S.parked, $S.lease IN SHARE ROW EXCLUSIVE MODE",
	} {
		if _, err := h.tx.Exec(ctx, h.sql(statement)); err != nil {
			return err
		}
	}
	return nil
}

// number drains until nothing is left, with the token of the relay that drained
// last.
func (h *Handover) number(ctx context.Context) error {
	for {
		var numbered int64
		var more bool
		err := h.tx.QueryRow(ctx, h.sql("SELECT numbered FROM $S.drain((SELECT token FROM $S.fence WHERE resource = '~relay'))")).Scan(&numbered)
		if err != nil {
			return err
		}
		if err := h.tx.QueryRow(ctx, h.sql("SELECT goal IS NOT NULL FROM $S.place()")).Scan(&more); err != nil {
			return err
		}
		if numbered == 0 && !more {
			return nil
		}
	}
}

// bounds finds what is to be handed over: dense positions, all of which are there.
func (h *Handover) bounds(ctx context.Context) error {
	var parked, count int64
	var least, first *int64
	var last, from int64
	err := h.tx.QueryRow(ctx, h.sql("SELECT last, emptied, (SELECT min(position) FROM $S.cursors()), (SELECT count(*) FROM $S.parked) FROM $S.place()")).Scan(&last, &from, &least, &parked)
	if err != nil {
		return err
	}
	if parked > 0 {
		e := mainstem.Errorf(mainstem.Invalid, "%d events of schema %s are parked", parked, h.schema)
		e.Advice = "have each given again or dropped first: mainstem pg parked, retry, discard"
		return e
	}
	if least != nil {
		from = *least
	}
	err = h.tx.QueryRow(ctx, h.sql("SELECT min(position), count(*) FROM $S.numbered WHERE position > $1::bigint"), from).Scan(&first, &count)
	if err != nil {
		return err
	}
	h.After, h.Last = mainstem.Position(last), mainstem.Position(last)
	if first != nil {
		h.After = mainstem.Position(*first - 1)
	}
	switch {
	case count != int64(h.Last-h.After):
		e := mainstem.Errorf(mainstem.Invalid, "positions of schema %s after %d skip to a later era, and a log has no gaps", h.schema, h.After)
		e.Advice = "let every consumer take what was before the last failover or restore: see mainstem pg status"
		return e
	case least == nil || first == nil || *first == *least+1:
		return nil
	}
	return h.follows(ctx, *least, *first)
}

// follows refuses positions that are missing between what was taken last and what
// is there next, unless an era ended and another began.
func (h *Handover) follows(ctx context.Context, after, next int64) error {
	var follows bool
	if err := h.tx.QueryRow(ctx, h.sql(followsSQL), after, next).Scan(&follows); err != nil {
		return err
	}
	if !follows {
		return mainstem.Errorf(mainstem.Corrupt, "position %d of schema %s follows %d: what is between was deleted by hand, or a restore was partial (L12)", next, h.schema, after)
	}
	return nil
}

func (h *Handover) cursors(ctx context.Context) error {
	rows, err := h.tx.Query(ctx, h.sql("SELECT name, position FROM $S.cursors() ORDER BY name"))
	if err != nil {
		return err
	}
	h.Consumers, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (c Cursor, err error) {
		err = row.Scan(&c.Name, &c.Position)
		c.Position = max(c.Position, h.After) // nothing is between
		return c, err
	})
	return err
}

func (h *Handover) streams(ctx context.Context) error {
	rows, err := h.tx.Query(ctx, h.sql("SELECT name, version FROM $S.stream WHERE version > 0 ORDER BY name"))
	if err != nil {
		return err
	}
	h.Streams, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (v Versioned, err error) {
		return v, row.Scan(&v.Name, &v.Version)
	})
	return err
}

// Events reads at most LimitEvents of what is to be handed over, after a position.
func (h *Handover) Events(ctx context.Context, after mainstem.Position) ([]Event, error) {
	rows, err := h.tx.Query(ctx, h.sql("SELECT * FROM $S.events($1::bigint, $2::int)"), int64(after), LimitEvents)
	if err != nil {
		return nil, fault(err, "events cannot be read")
	}
	events, err := pgx.CollectRows(rows, scanEvent)
	return events, fault(err, "events cannot be read")
}

//go:embed handover.sql
var handoverSQL string

// Close names the log to whom the schema's events belong from now on. Once the
// transaction is committed, Append, AppendVersioned, relays and consumers of this
// schema are Stopped, whichever program calls them and however old its snapshot is.
// Requests, leases of one's own and fences go on.
func (h *Handover) Close(ctx context.Context, log string) error {
	if h.Last > math.MaxInt64-1 {
		return mainstem.Errorf(mainstem.Invalid, "no position follows %d", h.Last)
	}
	statement := strings.NewReplacer("$L", "'"+strings.ReplaceAll(log, "'", "''")+"'", "$N", fmt.Sprint(h.Last+1)).Replace(handoverSQL)
	if _, err := h.tx.Exec(ctx, h.sql(statement), pgx.QueryExecModeSimpleProtocol); err != nil {
		return fault(err, fmt.Sprintf("schema %s cannot be handed over", h.schema))
	}
	_, err := h.tx.Exec(ctx, h.sql("INSERT INTO $S.taken (log, after, last, consumers) VALUES ($1::text, $2::bigint, $3::bigint, $4::int)"),
		log, int64(h.After), int64(h.Last), len(h.Consumers))
	return fault(err, fmt.Sprintf("schema %s cannot be handed over", h.schema))
}
