package mainstem

import (
	"bytes"
	"strconv"
	"time"
)

// Value is what a key holds: bytes, or a counter. A counter is a type of its
// own, so that additions need no reading first.
type Value struct {
	// Counter tells a counter from bytes.
	Counter bool
	// Int is the counter's value.
	Int int64
	// Bytes is the value of a plain key, at most LimitValue bytes.
	Bytes []byte
}

// Bytes makes a plain value. The bytes are not copied.
func Bytes(b []byte) Value { return Value{Bytes: b} }

// Int makes a counter's value.
func Int(n int64) Value { return Value{Counter: true, Int: n} }

// Equal reports whether two values are of one kind and the same.
func (v Value) Equal(o Value) bool {
	return v.Counter == o.Counter && v.Int == o.Int && bytes.Equal(v.Bytes, o.Bytes)
}

// String is the counter in decimal, or the bytes as they are.
func (v Value) String() string {
	if v.Counter {
		return strconv.FormatInt(v.Int, 10)
	}
	return string(v.Bytes)
}

// Event is one element of a stream, or one emitted message.
type Event struct {
	// Type names the event's Go or schema type, for example "order.placed.v1".
	Type string
	// Data is the encoded event, at most LimitValue bytes.
	Data []byte
}

// Operation is one change that a transaction asks for. Names are relative to
// the transaction's group. The set is closed.
type Operation interface{ operation() }

type (
	// Put sets a key. With TTL > 0 the key is deleted, by an ordinary recorded
	// effect, after at least TTL of log age.
	Put struct {
		Name  string
		Value Value
		TTL   time.Duration
	}

	// Delete removes a key. Deleting an absent key has no effect and no error.
	Delete struct{ Name string }

	// Add adds Delta to a counter, which is created at 0. It keeps a TTL that
	// the counter has. It fails as OutOfRange where the result would be below
	// Floor, above Ceiling (nil: no bound), or outside 64 bits; as Invalid on
	// a key that holds bytes.
	Add struct {
		Name           string
		Delta          int64
		Floor, Ceiling *int64
	}

	// Append adds events to the end of a stream.
	Append struct {
		Stream string
		Events []Event
	}

	// Acquire asks for a lease. It fails as Held while another grant is
	// neither released nor older than its TTL in log age.
	Acquire struct {
		Lease, Owner string
		TTL          time.Duration
	}

	// Renew extends a lease from now by TTL. It fails as Fenced if Token is
	// not the newest grant, or was released.
	Renew struct {
		Lease string
		Token FencingToken
		TTL   time.Duration
	}

	// Release gives a lease back. It fails as Fenced if Token is not the
	// newest grant, or was released already.
	Release struct {
		Lease string
		Token FencingToken
	}

	// Emit puts an event into the feed without storing it in the state.
	Emit struct {
		Topic string
		Event Event
	}

	// Void makes an opaque ID of this group one that can never commit. It
	// fails as Exists if the ID has committed.
	Void struct{ ID string }

	// Present shows the token of a lease that lives elsewhere. The group keeps
	// the highest token it has seen per lease; a lower one fails as Fenced.
	Present struct {
		Lease string
		Token FencingToken
	}
)

func (Put) operation()     {}
func (Delete) operation()  {}
func (Add) operation()     {}
func (Append) operation()  {}
func (Acquire) operation() {}
func (Renew) operation()   {}
func (Release) operation() {}
func (Emit) operation()    {}
func (Void) operation()    {}
func (Present) operation() {}
