package pg

import (
	"context"
	"fmt"
	"strings"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/traceparent"
)

// By is who, why and in which trace something is appended. It is carried by the
// context, so that a middleware can set it once for a request. Without a Trace it
// is the context's own span, as a W3C traceparent, if actor and request leave room
// for that.
func By(ctx context.Context, m mainstem.Meta) context.Context {
	return context.WithValue(ctx, metaKey{}, m)
}

type metaKey struct{}

// Append stages events at the end of a stream, in the caller's transaction. They
// get their positions from the relay once the transaction is committed, after
// everything that it can have read. An append writes no row that another one
// writes or waits for.
//
// Use mainstem.Registry.Encode for typed events. At most
// mainstem.LimitOperations events of mainstem.LimitTransaction bytes together.
func Append(ctx context.Context, tx Tx, stream string, events ...mainstem.Event) error {
	ctx, a := adding(ctx, tx, stream, events)
	return a.end(appendPlain(ctx, tx, stream, events))
}

func appendPlain(ctx context.Context, tx Tx, stream string, events []mainstem.Event) error {
	if err := checkEvents(ctx, stream, events); err != nil {
		return err
	}
	return stage(ctx, tx, stream, 0, events)
}

// AnyVersion is any version of a stream, including that of one with no events.
const AnyVersion = -1

// AppendVersioned is Append to a stream whose events are numbered from 1 without
// gaps: it locks the stream until the caller's transaction ends. The stream must
// be at the given version, which is its number of events, or the append is a
// Conflict; AnyVersion takes any. It returns the version after the append.
//
// A stream is of one kind for good: appended to by Append, or by AppendVersioned.
// Append to a stream that has versions is Invalid. The other way round nobody
// looks: AppendVersioned does not see plain events, and two transactions that begin
// a stream in both ways at once do not see each other.
func AppendVersioned(ctx context.Context, tx Tx, stream string, at int64, events ...mainstem.Event) (version int64, err error) {
	ctx, a := adding(ctx, tx, stream, events)
	version, err = appendVersioned(ctx, tx, stream, at, events)
	return version, a.end(err)
}

func appendVersioned(ctx context.Context, tx Tx, stream string, at int64, events []mainstem.Event) (version int64, err error) {
	if err := checkEvents(ctx, stream, events); err != nil || len(events) == 0 {
		return at, err
	}
	schema, err := schemaOf(tx)
	if err != nil {
		return 0, err
	}
	err = tx.QueryRow(ctx, in(schema, `INSERT INTO $S.stream AS s (name, version) VALUES ($1::text, $2::bigint)
		ON CONFLICT (name) DO UPDATE SET version = s.version + excluded.version RETURNING version`),
		stream, len(events)).Scan(&version)
	if err != nil {
		return 0, fault(err, fmt.Sprintf("stream %.64q cannot be appended to", stream))
	}
	before := version - int64(len(events))
	if at != AnyVersion && before != at {
		// The caller may go on in this transaction: the number must not stay.
		if _, err := tx.Exec(ctx, in(schema, "UPDATE $S.stream SET version = $2::bigint WHERE name = $1::text"), stream, before); err != nil {
			return 0, fault(err, fmt.Sprintf("stream %.64q cannot be left as it was", stream))
		}
		return before, mainstem.Errorf(mainstem.Conflict, "stream %.64q is at version %d, not %d", stream, before, at)
	}
	return version, stage(ctx, tx, stream, before+1, events)
}

func checkEvents(ctx context.Context, stream string, events []mainstem.Event) error {
	if err := mainstem.CheckName("stream", stream); err != nil {
		return err
	}
	if len(events) > mainstem.LimitOperations {
		return mainstem.Errorf(mainstem.TooLarge, "%d events for stream %.64q at once; the limit is %d", len(events), stream, mainstem.LimitOperations)
	}
	size := 0
	for i, e := range events {
		if err := mainstem.CheckName("event type", e.Type); err != nil {
			return mainstem.Errorf(mainstem.CodeOf(err), "event %d of %d for stream %.64q: %w", i+1, len(events), stream, err)
		}
		if len(e.Data) > mainstem.LimitValue {
			return mainstem.Errorf(mainstem.TooLarge, "event %d of %d for stream %.64q has %d bytes; the limit is %d", i+1, len(events), stream, len(e.Data), mainstem.LimitValue)
		}
		size += len(e.Type) + len(e.Data)
	}
	if size > mainstem.LimitTransaction {
		return mainstem.Errorf(mainstem.TooLarge, "%d bytes of events for stream %.64q at once; the limit is %d", size, stream, mainstem.LimitTransaction)
	}
	meta := metaOf(ctx)
	if size := len(meta.Actor) + len(meta.Request) + len(meta.Trace); size > mainstem.LimitMeta {
		return mainstem.Errorf(mainstem.TooLarge, "actor, request and trace of %d bytes together; the limit is %d", size, mainstem.LimitMeta)
	}
	for _, s := range []string{meta.Actor, meta.Request, meta.Trace} {
		if s == "" {
			continue
		}
		if err := mainstem.CheckName("actor, request or trace", s); err != nil {
			return err
		}
	}
	return nil
}

func metaOf(ctx context.Context) mainstem.Meta {
	m, _ := ctx.Value(metaKey{}).(mainstem.Meta)
	if m.Trace == "" {
		if own := traceparent.Of(ctx); len(m.Actor)+len(m.Request)+len(own) <= mainstem.LimitMeta {
			m.Trace = own
		}
	}
	return m
}

// stageRows is how many events one statement inserts: a bound on the number of
// different statements.
const stageRows = 64

// plainStream is the stream's name, or an error if its events have versions.
const plainStream = "CASE WHEN EXISTS (SELECT FROM $S.stream WHERE name = $1::text AND version > 0) THEN $S.versioned($1::text) ELSE $1::text END"

// noSlot is the slot of a transaction that has not asked for it.
const noSlot = -1

// tableOf is where a transaction's events go, and the value of their slot.
func tableOf(own *transaction) (table, slot string) {
	if own == nil || own.slot == noSlot {
		return "$S.event", "DEFAULT"
	}
	return fmt.Sprintf("$S.event_%d", own.slot), fmt.Sprintf("$S.append_in(%d::smallint)", own.slot)
}

// stage inserts events that were checked; the first has the given version, 0 means that the stream
// has none. The identifiers of rows are drawn in the order of VALUES.
func stage(ctx context.Context, tx Tx, stream string, version int64, events []mainstem.Event) error {
	schema, err := schemaOf(tx)
	if err != nil {
		return err
	}
	meta, own := metaOf(ctx), transactionOf(tx)
	for len(events) > 0 {
		n := min(len(events), stageRows)
		args := []any{stream, meta.Actor, meta.Request, meta.Trace}
		var rows strings.Builder
		table, slot := tableOf(own)
		for i, e := range events[:n] {
			var number *int64
			if version > 0 {
				v := version + int64(i)
				number = &v
			}
			if i > 0 {
				rows.WriteString(", ")
			}
			name := "$1::text"
			if i == 0 && version == 0 {
				name = plainStream
			}
			k := len(args)
			fmt.Fprintf(&rows, "(%s, %s, $2::text, $3::text, $4::text, $%d::bigint, $%d::text, $%d::bytea)", slot, name, k+1, k+2, k+3)
			args = append(args, number, e.Type, bytesOf(e.Data))
		}
		statement := in(schema, "INSERT INTO "+table+" (slot, stream, actor, request, trace, version, type, data) VALUES "+rows.String())
		if own != nil {
			err = own.stage(ctx, staged{statement, args})
		} else {
			_, err = tx.Exec(ctx, statement, args...)
		}
		if err != nil {
			return fault(err, fmt.Sprintf("%d events cannot be appended to stream %.64q", n, stream))
		}
		if events = events[n:]; version > 0 {
			version += int64(n)
		}
	}
	return nil
}
