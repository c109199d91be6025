package pg

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
)

// Event is a committed event with its position.
type Event struct {
	// Position is the event's place among all of this schema: from 1, without
	// gaps, except that after a restore or a failover positions go on at the next
	// multiple of 2^40, so that none means something else than on the server before.
	// Two restores of one dump give the same positions to different events; a target
	// of ConsumeInto tells them apart.
	Position mainstem.Position
	Stream   string
	Version  int64 // in streams of AppendVersioned; otherwise 0
	mainstem.Event
	Meta mainstem.Meta
	Made time.Time // when it was appended, by the server's clock
}

// LimitEvents is the most events in one batch, and LimitEventBytes about the most bytes
// of data in it; a single event always fits.
const (
	LimitEvents     = 1000
	LimitEventBytes = 16 << 20
)

// Events reads at most so many events after a position; 0 is before the first. It reads
// fewer where they are large.
// It gives what is there, in order and without gaps. Where events after that
// position are no longer kept, the error is Trimmed; where a failover lost the
// position itself, or it was never given, HistoryLost. Where synchronous_standby_names
// is set, events are given once the standbys have them, as surely as synchronous_commit
// has a COMMIT wait: a failover to one of those loses none of them. See Watch.
func (db *DB) Events(ctx context.Context, after mainstem.Position, most int) ([]Event, error) {
	if err := db.check(); err != nil {
		return nil, err
	}
	if most < 1 || most > LimitEvents {
		return nil, mainstem.Errorf(mainstem.Invalid, "a batch of %d events; between 1 and %d are possible", most, LimitEvents)
	}
	var events []Event
	var last mainstem.Position
	var b pgx.Batch
	b.Queue(db.sql("SELECT * FROM $S.events($1::bigint, $2::int)"), int64(after), most).Query(func(rows pgx.Rows) error {
		defer rows.Close()
		for size := 0; size < LimitEventBytes && rows.Next(); {
			e, err := scanEvent(rows)
			if err != nil {
				return err
			}
			events, size = append(events, e), size+len(e.Data)
		}
		rows.Close() // what is left is not kept
		return rows.Err()
	})
	b.Queue(db.sql("SELECT $S.newest($1::bigint)"), int64(after)).QueryRow(func(row pgx.Row) error { return row.Scan(&last) })
	if err := db.confirmed(ctx, &b); err != nil {
		return nil, fault(err, "events cannot be read")
	}
	if len(events) == 0 && after > last {
		return nil, mainstem.Errorf(mainstem.HistoryLost, "events after %d were asked for, and the newest is %d: the server was set back, or this is the position of another: %w", after, last, &ahead{after})
	}
	for i := range events {
		if events[i].Position != after+1 {
			if err := db.begins(ctx, after, events[i].Position); err != nil {
				return nil, err
			}
		}
		after = events[i].Position
	}
	return events, nil
}

// confirmed sends statements that end in newest. It returns when the standbys that
// COMMIT waits for have what was read.
func (db *DB) confirmed(ctx context.Context, b *pgx.Batch) error {
	conn, err := db.Pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	unwarned(conn.Conn())
	if err := conn.SendBatch(ctx, b).Close(); err != nil {
		return err
	}
	if warning := unwarned(conn.Conn()); warning != "" {
		return mainstem.Errorf(mainstem.Unavailable, "events were read that perhaps no standby has: the server said %q", warning)
	}
	return nil
}

// Oldest is the position to read after, with Events, for the oldest event from which
// on all are kept; with none kept, for the next one. Older events may be there with
// gaps, as tables are not emptied in the order of positions.
func (db *DB) Oldest(ctx context.Context) (after mainstem.Position, err error) {
	if err := db.check(); err != nil {
		return 0, err
	}
	err = db.Pool.QueryRow(ctx, db.sql("SELECT greatest(emptied, coalesce((SELECT min(position) - 1 FROM $S.numbered), last)) FROM $S.place()")).Scan(&after)
	return after, fault(err, "the oldest event cannot be found")
}

func scanEvent(row pgx.CollectableRow) (e Event, err error) {
	var stream, kind, actor, request, trace *string
	var version *int64
	var made *time.Time
	err = row.Scan(&e.Position, &stream, &version, &kind, &e.Data, &actor, &request, &trace, &made)
	switch {
	case err != nil:
		return e, err
	case stream == nil:
		return e, mainstem.Errorf(mainstem.Corrupt, "position %d was given to an event that is not there: rows were deleted by hand, or a restore was partial (L12)", e.Position)
	}
	e.Stream, e.Type, e.Made = *stream, *kind, *made
	e.Meta = mainstem.Meta{Actor: *actor, Request: *request, Trace: *trace}
	if version != nil {
		e.Version = *version
	}
	return e, nil
}

// ahead is beneath the HistoryLost of a position whose history ended before it.
type ahead struct{ at mainstem.Position }

func (a *ahead) Error() string { return fmt.Sprintf("position %d is lost", a.at) }

// followsSQL asks whether a position comes next after another: as the first of an
// era whose former one ended there, with eras in between without events.
const followsSQL = `
		WITH RECURSIVE way (at) AS (SELECT $1::bigint UNION SELECT e.first - 1 FROM way JOIN $S.era e ON e.before = way.at)
		SELECT EXISTS (SELECT FROM way WHERE at = $2::bigint - 1)`

// begins says whether the next position may follow: as the first of an era whose
// former one ended there, with eras in between in which nothing was numbered.
func (db *DB) begins(ctx context.Context, after, next mainstem.Position) error {
	var follows bool
	var before, first *int64
	var emptied int64
	err := db.Pool.QueryRow(ctx, db.sql(followsSQL+`,
			(SELECT min(before) FROM $S.era WHERE before < $1::bigint AND first > $1::bigint + 1),
			(SELECT min(position) FROM $S.numbered), (SELECT emptied FROM $S.place())`),
		int64(after), int64(next)).Scan(&follows, &before, &first, &emptied)
	switch {
	case err != nil:
		return fault(err, "eras cannot be read")
	case follows:
		return nil
	case before != nil:
		return mainstem.Errorf(mainstem.HistoryLost, "events after %d were asked for, and the history went on after %d, at %d: %w", after, *before, next, &ahead{after})
	case first != nil && mainstem.Position(*first) == next:
		return mainstem.Errorf(mainstem.Trimmed, "the oldest event that is kept has position %d; %d was asked for", next, after+1)
	case after < mainstem.Position(emptied):
		return mainstem.Errorf(mainstem.Trimmed, "events after %d were asked for, and not all up to %d are kept", after, emptied)
	default:
		return mainstem.Errorf(mainstem.Corrupt, "position %d follows %d: what is between was deleted by hand, or a restore was partial (L12)", next, after)
	}
}
