package check

import (
	"fmt"
	"math"
	"time"

	"github.com/anishathalye/porcupine"
)

// Verdict is what a checker says. Unknown is an honest answer: the time was up.
type Verdict string

// The verdicts.
const (
	Yes     Verdict = "yes"
	No      Verdict = "no"
	Unknown Verdict = "unknown"
)

// Kind says what a KeyOp does.
type Kind string

// The kinds.
const (
	Get           Kind = "get"
	Put           Kind = "put"
	Delete        Kind = "delete"
	CompareAndSet Kind = "cas" // put, if the key is as Expect says
	Add           Kind = "add" // add, unless the sum would be below Floor
)

// Register is what a key holds.
type Register struct {
	Exists bool
	Value  int64
}

// KeyOp is one operation on one key as a client saw it. Times are of one
// monotonic clock.
type KeyOp struct {
	Client       int
	Key          string
	Kind         Kind
	Value        int64    // put, cas: the new value; add: what is added
	Expect       Register // cas
	Floor        int64    // add
	Call, Return int64

	// Refused says that a cas or an add did not happen, by the answer.
	Refused bool
	// Undecided says that no answer came: it happened once, after Call, or never.
	Undecided bool
	// Saw is what a get returned, and the sum that an add returned.
	Saw Register
}

// step is the one-key database: whether the answer is right in the state, and
// the state after.
func (o KeyOp) step(s Register) (bool, Register) {
	switch o.Kind {
	case Get:
		return o.Undecided || o.Saw == s, s
	case Put:
		return true, Register{Exists: true, Value: o.Value}
	case Delete:
		return true, Register{}
	case CompareAndSet:
		holds := s == o.Expect
		if holds {
			s = Register{Exists: true, Value: o.Value}
		}
		return o.Undecided || holds != o.Refused, s
	case Add:
		sum := Register{Exists: true, Value: s.Value + o.Value}
		if sum.Value < o.Floor {
			return o.Undecided || o.Refused, s
		}
		return o.Undecided || !o.Refused && sum == o.Saw, sum
	default:
		return false, s
	}
}

// Linearizable judges a history, key by key, in at most limit. With No it says
// which key.
func Linearizable(history []KeyOp, limit time.Duration) (Verdict, string) {
	byKey := map[string][]porcupine.Operation{}
	var order []string
	for _, op := range history {
		if _, known := byKey[op.Key]; !known {
			order = append(order, op.Key)
		}
		until := op.Return
		if op.Undecided {
			// It may take effect at any later time; at the very end is never.
			until = math.MaxInt64
		}
		byKey[op.Key] = append(byKey[op.Key], porcupine.Operation{ClientId: op.Client, Input: op, Call: op.Call, Return: until})
	}
	model := porcupine.Model{
		Init: func() any { return Register{} },
		Step: func(state, input, _ any) (bool, any) { return input.(KeyOp).step(state.(Register)) },
	}
	deadline, verdict, why := time.Now().Add(limit), Yes, ""
	for _, key := range order {
		switch porcupine.CheckOperationsTimeout(model, byKey[key], max(time.Until(deadline), time.Millisecond)) {
		case porcupine.Illegal:
			return No, fmt.Sprintf("the %d operations on key %q have no linear order", len(byKey[key]), key)
		case porcupine.Unknown:
			verdict, why = Unknown, fmt.Sprintf("the %d operations on key %q were not judged in %s", len(byKey[key]), key, limit)
		}
	}
	return verdict, why
}
