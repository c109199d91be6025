package mainstem

import "time"

// EffectKind says what kind of decided operation an Effect is.
type EffectKind uint8

// The kinds, one per operation, and EffectExpire for a key whose TTL ended.
// The numbers are part of the record format.
const (
	EffectPut EffectKind = iota + 1
	EffectDelete
	EffectExpire
	EffectAdd
	EffectAppend
	EffectGrant
	EffectRenew
	EffectRelease
	EffectEmit
	EffectVoid
	EffectPresent
)

var effectNames = [...]string{
	EffectPut: "put", EffectDelete: "delete", EffectExpire: "expire", EffectAdd: "add",
	EffectAppend: "append", EffectGrant: "grant", EffectRenew: "renew", EffectRelease: "release",
	EffectEmit: "emit", EffectVoid: "void", EffectPresent: "present",
}

// String is the kind's stable name, as it stands in JSON.
func (k EffectKind) String() string {
	if k == 0 || int(k) >= len(effectNames) {
		return "unknown"
	}
	return effectNames[k]
}

// MarshalText writes the stable name.
func (k EffectKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads a stable name; an unknown one is an error.
func (k *EffectKind) UnmarshalText(text []byte) error {
	for i := range effectNames {
		if i > 0 && effectNames[i] == string(text) {
			*k = EffectKind(i)
			return nil
		}
	}
	return Errorf(Invalid, "no kind of effect is called %q", text)
}

// Effect is one decided operation: what was asked, and the value that came of
// it. Records carry effects, replay applies them, and the feed shows them; no
// later code can reach another answer from them (L3).
type Effect struct {
	Kind EffectKind
	// Name is the key, stream, lease, topic or voided ID.
	Name string
	// Value is the resulting value of a put or an add.
	Value Value
	// Delta is what an add added.
	Delta int64
	// Events are those appended or emitted.
	Events []Event
	// First is the number, from 1, that the first appended event has in its stream.
	First uint64
	// Token is the token granted, renewed, released or presented.
	Token FencingToken
	// Owner is who was granted the lease.
	Owner string
	// Until is the log age at which a key may expire or a lease becomes
	// grantable; 0 means never.
	Until LogAge
}

// Result is what one operation brought, for the caller. Only the field that
// the operation has is set.
type Result struct {
	// Counter is the counter's value after an add.
	Counter int64
	// Length is the stream's length after an append.
	Length uint64
	// Token is the token of a granted lease.
	Token FencingToken
}

// ResultOf is the result that an effect stands for.
func ResultOf(e Effect) Result {
	switch e.Kind {
	case EffectAdd:
		return Result{Counter: e.Value.Int}
	case EffectAppend:
		return Result{Length: e.First + uint64(len(e.Events)) - 1}
	case EffectGrant:
		return Result{Token: e.Token}
	default:
		return Result{}
	}
}

// Receipt proves that a transaction is durable, and says where and what came
// of it. A retry under the same ID gets the same receipt, with Replayed set.
type Receipt struct {
	Partition   int
	Position    Position
	Incarnation Incarnation
	// Age is the log age of the record; Wall its wall time, which is
	// information only (L6).
	Age  LogAge
	Wall time.Time
	// Results has one element per operation, in order.
	Results []Result
	// Reply is what the function answered.
	Reply []byte
	// Refused is true when the function ended with Refuse: nothing was
	// changed, and the refusal itself is remembered under the ID.
	Refused bool
	// Replayed is true when this is the first receipt of an ID that had
	// committed before.
	Replayed bool
	// Token has seen this transaction: reading AtLeast(Token) shows it.
	Token Token
	// Weak says, when not empty, which setting weakens the promise.
	Weak string
}
