package mainstem

import (
	"context"
	"iter"
	"strings"
	"time"
)

// Key is a key that holds values of one Go type. It is a small value, usually
// kept in a package variable: the group comes with the Reader or the Txn.
type Key[T any] struct {
	name  string
	codec Codec[T]
}

// NewKey makes a typed key.
func NewKey[T any](name string, codec Codec[T]) Key[T] { return Key[T]{name: name, codec: codec} }

// Name is the key's name in its group.
func (k Key[T]) Name() string { return k.name }

// Get reads the key, from a View or, as a condition, through a Txn. It reports
// false where the key does not exist. A stored value that the codec cannot
// read, or a counter, is Invalid.
func (k Key[T]) Get(ctx context.Context, r Reader) (value T, exists bool, err error) {
	v, err := r.Get(ctx, k.name)
	if err != nil || !v.Exists {
		return value, false, err
	}
	value, err = k.decode(v)
	return value, err == nil, err
}

func (k Key[T]) decode(v Version) (value T, err error) {
	if v.Value.Counter {
		return value, &Error{
			Code: Invalid, Message: "key " + quoteShort(v.Name) + " holds a counter, not an encoded value",
			Advice: "read it with a Counter",
		}
	}
	value, err = k.codec.Decode(v.Value.Bytes)
	if err != nil {
		e := Errorf(Invalid, "key %s at position %s holds no %T that its codec can read: %w", quoteShort(v.Name), v.Position, value, err)
		e.Advice = "read it with the type and codec that wrote it"
		return value, e
	}
	return value, nil
}

func (k Key[T]) encode(v T) (Value, error) {
	b, err := k.codec.Encode(v)
	if err != nil {
		return Value{}, Errorf(Invalid, "a %T cannot be encoded for key %s: %w", v, quoteShort(k.name), err)
	}
	return Bytes(b), nil
}

// Put sets the key, for ever.
func (k Key[T]) Put(tx *Txn, v T) error { return k.PutFor(tx, v, 0) }

// PutFor sets the key for at least ttl of log age; 0 means for ever.
func (k Key[T]) PutFor(tx *Txn, v T, ttl time.Duration) error {
	value, err := k.encode(v)
	if err != nil {
		return err
	}
	tx.Operate(Put{Name: k.name, Value: value, TTL: ttl})
	return nil
}

// Delete removes the key; an absent one is no error.
func (k Key[T]) Delete(tx *Txn) { tx.Delete(k.name) }

// Equals is the condition that the key holds v, compared byte for byte as the
// codec writes it. For Txn.Require.
func (k Key[T]) Equals(v T) (Condition, error) {
	value, err := k.encode(v)
	if err != nil {
		return nil, err
	}
	return KeyEquals{Name: k.name, Value: value}, nil
}

// Keys is the family of keys of one Go type whose names begin with a prefix,
// for example "customer/".
type Keys[T any] struct {
	prefix string
	codec  Codec[T]
}

// NewKeys makes a typed family of keys. Let no prefix begin with another
// family's prefix: the families would read each other's values.
func NewKeys[T any](prefix string, codec Codec[T]) Keys[T] {
	return Keys[T]{prefix: prefix, codec: codec}
}

// Key is one key of the family: prefix and id, joined as they are.
func (k Keys[T]) Key(id string) Key[T] { return NewKey(k.prefix+id, k.codec) }

// Item is one key of a family as Keys.All yields it.
type Item[T any] struct {
	// ID is the key's name without the family's prefix.
	ID    string
	Value T
	// Position is where the value was written; 0 for a write of the reading
	// transaction itself.
	Position Position
}

// All yields the family in the order of IDs, byte by byte. Through a Txn the
// part that was read becomes a condition, absent keys included (no phantoms).
// It ends at the first error.
func (k Keys[T]) All(ctx context.Context, r Reader) iter.Seq2[Item[T], error] {
	return func(yield func(Item[T], error) bool) {
		from, to := Prefix(k.prefix)
		for v, err := range r.Scan(ctx, from, to) {
			item := Item[T]{ID: strings.TrimPrefix(v.Name, k.prefix), Position: v.Position}
			if err == nil {
				item.Value, err = k.Key(item.ID).decode(v)
			}
			if !yield(item, err) || err != nil {
				return
			}
		}
	}
}

// Counter is a key that holds a 64-bit integer and is changed by adding.
type Counter struct{ name string }

// NewCounter makes a counter of a key's name.
func NewCounter(name string) Counter { return Counter{name: name} }

// Name is the counter's name in its group.
func (c Counter) Name() string { return c.name }

// Get reads the counter; one that was never set is 0. Through a Txn that makes
// the transaction run again whenever anybody else adds: to change a counter
// within bounds use Add alone. A key that holds bytes is Invalid.
func (c Counter) Get(ctx context.Context, r Reader) (int64, error) {
	v, err := r.Get(ctx, c.name)
	switch {
	case err != nil:
		return 0, err
	case v.Exists && !v.Value.Counter:
		return 0, Errorf(Invalid, "key %s holds %d bytes, not a counter", quoteShort(c.name), len(v.Value.Bytes))
	}
	return v.Value.Int, nil
}

// Set sets the counter.
func (c Counter) Set(tx *Txn, n int64) { tx.Set(c.name, n) }

// Add adds n without reading; with Floor or Ceiling it fails as OutOfRange
// rather than pass the bound. The outcome gives the result in the receipt.
func (c Counter) Add(tx *Txn, n int64, bounds ...Bound) Outcome { return tx.Add(c.name, n, bounds...) }
