package mainstem

import (
	"context"
	"iter"
)

// Stream is a stream of events of one Go type, usually an interface that the
// events implement. It is a small value: the group comes with the Reader or
// the Txn.
type Stream[E any] struct {
	name     string
	registry *Registry[E]
}

// NewStream makes a typed stream.
func NewStream[E any](name string, registry *Registry[E]) Stream[E] {
	return Stream[E]{name: name, registry: registry}
}

// Name is the stream's name in its group.
func (s Stream[E]) Name() string { return s.name }

// Append adds events to the end, all in one transaction or none. The outcome
// gives the new version in the receipt.
func (s Stream[E]) Append(tx *Txn, events ...E) (Outcome, error) {
	encoded := make([]Event, len(events))
	for i, e := range events {
		var err error
		if encoded[i], err = s.registry.Encode(e); err != nil {
			return 0, Errorf(Invalid, "event %d of %d for stream %s: %w", i+1, len(events), quoteShort(s.name), err)
		}
	}
	return tx.Append(s.name, encoded...), nil
}

// AppendAt is Append on the condition that the stream is at the given version,
// which is its number of events (optimistic concurrency as in event sourcing).
// As in Txn.Length, events that this transaction appended before count. At
// another version the transaction fails as Conflict.
func (s Stream[E]) AppendAt(tx *Txn, version uint64, events ...E) (Outcome, error) {
	own := uint64(len(tx.appended(s.name)))
	if own > version {
		return 0, Errorf(Conflict, "stream %s is expected at version %d, but this transaction alone has appended %d events",
			quoteShort(s.name), version, own)
	}
	outcome, err := s.Append(tx, events...)
	if err == nil {
		tx.Require(StreamLength{Stream: s.name, Length: version - own})
	}
	return outcome, err
}

// Version is the number of events in the stream.
func (s Stream[E]) Version(ctx context.Context, r Reader) (uint64, error) {
	return r.Length(ctx, s.name)
}

// Numbered is an event as Stream.Read yields it.
type Numbered[E any] struct {
	Event E
	// Number is the event's place in its stream, from 1.
	Number uint64
	// Position is where it was appended; 0 in the appending transaction itself.
	Position Position
	// Type is the name that it was stored under.
	Type string
}

// Read yields the events after the given number, in order: after n comes n+1
// first. It ends at the first error; an event that the registry does not know
// is one.
func (s Stream[E]) Read(ctx context.Context, r Reader, after uint64) iter.Seq2[Numbered[E], error] {
	return func(yield func(Numbered[E], error) bool) {
		for stored, err := range r.Events(ctx, s.name, after) {
			n := Numbered[E]{Number: stored.Number, Position: stored.Position, Type: stored.Type}
			if err == nil {
				if n.Event, err = s.registry.Decode(stored.Event); err != nil {
					err = Errorf(Invalid, "event %d of stream %s: %w", n.Number, quoteShort(s.name), err)
				}
			}
			if !yield(n, err) || err != nil {
				return
			}
		}
	}
}
