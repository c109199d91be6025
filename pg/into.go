package pg

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
)

// Into is a consumer whose effects are in a PostgreSQL database, this one or
// another, in which the SQL of Schema was run too.
type Into struct {
	// Consumer is as in Consume, without Deliver.
	Consumer
	// Target is where the effects are.
	Target *DB
	// Apply writes the effects of a batch in a transaction of the target, which
	// commits together with the place up to which they are there. So each event
	// has its effects once, whatever is repeated (L9). An error is judged as that
	// of Consumer.Deliver; one of a statement is the way's if no event can be the
	// reason of it: a serialization failure, a deadlock, a lock or statement timeout, a
	// right that is missing, no room, a server that is down or read-only, or what Schema
	// makes and is not there. Any other, such as that of a unique key, is the event's, also
	// where Apply passes it over.
	// So is a statement timeout that an event alone has met for six TTLs of the relay, and
	// Attempts times, with no other trouble between; a statement waits for a lock for nine
	// tenths of statement_timeout, so that this is told from a lock.
	// Without a statement for six TTLs of the relay, the server ends the transaction,
	// as if the pod were lost: another one would wait for it.
	Apply func(ctx context.Context, tx pgx.Tx, events []Event) error
}

// ConsumeInto is Consume with effects that commit together with the cursor. If
// the target has effects of events that the source lost in a failover, it ends
// with HistoryLost: somebody has to decide what becomes of them. Then Forget the
// consumer in the target, and it goes on from the source's cursor.
func (r *Relay) ConsumeInto(ctx context.Context, into Into) error {
	if into.Target == nil || into.Apply == nil {
		return mainstem.Errorf(mainstem.Invalid, "consumer %.64q has no target, or nothing to apply", into.Name)
	}
	if err := into.Target.check(); err != nil {
		return err
	}
	into.ready = func(ctx context.Context) error { return checkLayout(ctx, into.Target.Pool, into.Target.schema()) }
	into.Deliver = func(ctx context.Context, events []Event) error { return into.deliver(ctx, r, events) }
	return r.Consume(ctx, into.Consumer)
}

func (into *Into) deliver(ctx context.Context, r *Relay, events []Event) error {
	source := r.DB
	return into.judge(into.Target.bounded(ctx, "applying events", r.idle(), func(tx pgx.Tx) error {
		if again(ctx) {
			return into.applyParked(ctx, tx, events)
		}
		at, home, err := into.at(ctx, tx, events[0].Position-1)
		if err != nil {
			return err
		}
		last := events[len(events)-1].Position
		var asked Tx = source.Pool
		if source.Pool == into.Target.Pool {
			asked = tx // many consumers, each with a connection, would wait for another one
		}
		if home, err = source.holds(ctx, asked, at, home, last); err != nil {
			return unprepared(err)
		}
		for len(events) > 0 && events[0].Position <= at {
			events = events[1:] // their effects are there
		}
		if len(events) == 0 {
			return nil
		}
		if err := into.apply(ctx, tx, events); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, into.Target.sql("SELECT $S.applied_to($1::text, $2::bigint, $3::bigint, $4::text)"), into.Name, int64(at), int64(last), home)
		return unprepared(fault(err, "the target's place cannot be moved"))
	}))
}

// unprepared makes an error of a statement of ours one of the way where a table or function
// that it needs is not there: no event is the reason of that.
func unprepared(err error) error {
	var said *mainstem.Error
	if !isMissing(stateOf(err)) || !errors.As(err, &said) {
		return err
	}
	lacks := *said
	lacks.Code = mainstem.Unavailable
	return &lacks
}

// judge makes an error that no event can be the reason of one of the way: of a server
// that has no room, takes too long, is read-only or took away a right. One that a server
// said of anything else is the events', and counts, also where its code says that a
// transaction can be run again: that may never end.
func (into *Into) judge(err error) error {
	state := stateOf(err)
	switch {
	case state == "" && !errors.Is(err, pgx.ErrTxCommitRollback):
		return err
	case state == stateTimeout, state == stateLock, state == statePrivilege, state == stateReadOnly, ofTheServer(state):
		if !ofTheWay(err) {
			return mainstem.Errorf(mainstem.Unavailable, "applying events: %w", err)
		}
	case state == stateSerialization, state == stateDeadlock, into.Target.keyTaken(err):
	case isMissing(state): // of a statement of ours, unprepared has said so
	case ofTheWay(err):
		return mainstem.Errorf(mainstem.Invalid, "applying events: %w", err)
	}
	return err
}

// apply tells why the target's transaction has to be run again from what is the
// events' own.
func (into *Into) apply(ctx context.Context, tx pgx.Tx, events []Event) error {
	again, own := tx.(*transaction).judged(into.Apply(ctx, tx, events))
	if stateOf(own) == stateTimeout {
		own = &overtime{own}
	}
	return cmp.Or(again, own)
}

// at locks the target's place, so that two who deliver the same come one after the
// other, and tells it, with the server that gave it. A new one is where the
// source's cursor is, which nobody gave.
func (into *Into) at(ctx context.Context, tx pgx.Tx, start mainstem.Position) (at mainstem.Position, home string, err error) {
	err = tx.QueryRow(ctx, into.Target.sql("SELECT at, home FROM $S.applied_at($1::text, $2::bigint)"), into.Name, int64(start)).Scan(&at, &home)
	return at, home, unprepared(fault(err, fmt.Sprintf("the target's place of %s cannot be read", into.Name)))
}

// applyParked applies events that were passed over: each by a key of its own,
// since the place is beyond them.
func (into *Into) applyParked(ctx context.Context, tx pgx.Tx, events []Event) error {
	for _, e := range events {
		request := Request{Key: Key("into", into.Name, fmt.Sprint(e.Position)), Age: MaxAge, Wait: MaxWait}
		_, err := Once(ctx, In(into.Target.schema(), tx), request, func(ctx context.Context) ([]byte, error) {
			return nil, into.apply(ctx, tx, []Event{e})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// holds reports whether a position that a server gave is one of this history: not
// between the end of its era and the beginning of the next, and of an era that is
// that server's: of two restores of one dump each goes on counting. (The position
// just before an era's first is given to no event; it says that none of them was
// taken.) Nor beyond the last one: a server that was set back gives positions again. It returns who gave another position, which is here.
func (db *DB) holds(ctx context.Context, asked Tx, at mainstem.Position, home string, next mainstem.Position) (gave string, err error) {
	var before int64
	var here string
	err = asked.QueryRow(ctx, db.sql(`SELECT least(coalesce((SELECT before FROM $S.era WHERE before < $1::bigint AND first > $1::bigint + 1), $1::bigint), (SELECT last FROM $S.place())),
		(SELECT home FROM $S.era WHERE first <= greatest($1::bigint, 1) ORDER BY first DESC LIMIT 1),
		(SELECT home FROM $S.era WHERE first <= $2::bigint ORDER BY first DESC LIMIT 1)`),
		int64(at), int64(next)).Scan(&before, &here, &gave)
	switch {
	case err != nil:
		return "", fault(err, "eras cannot be read")
	case mainstem.Position(before) != at:
		return "", mainstem.Errorf(mainstem.HistoryLost, "the target has effects up to position %d, and the source lost what came after %d", at, before)
	case home != "" && home != here:
		return "", mainstem.Errorf(mainstem.HistoryLost, "the target has effects up to position %d of server %s, which is not the one that gave it here, %s: both go on from one dump", at, home, here)
	}
	return gave, nil
}

type againKey struct{}

// again says that a delivery is of a parked event.
func again(ctx context.Context) bool { return ctx.Value(againKey{}) != nil }
