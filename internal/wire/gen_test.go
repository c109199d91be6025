package wire

import (
	"math"
	"time"

	"pgregory.net/rapid"

	"github.com/mainstemdb/mainstem"
)

// Generators of whatever a Backend says, valid or not: what the wire makes of it
// must be the same. The zero times and empty slices stand for themselves.

func list[T any](t *rapid.T, label string, element func(*rapid.T) T) []T {
	var l []T
	for range rapid.IntRange(0, 3).Draw(t, label) {
		l = append(l, element(t))
	}
	return l
}

func drawBytes(t *rapid.T, label string) []byte {
	if rapid.Bool().Draw(t, label+" is nil") {
		return nil
	}
	return append([]byte{}, rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, label)...)
}

// someBytes are what a value has: the wire does not tell none from empty there.
func someBytes(t *rapid.T, label string) []byte { return some(drawBytes(t, label)) }

func drawText(t *rapid.T, label string) string { return rapid.StringN(0, 9, 40).Draw(t, label) }

func drawUint(t *rapid.T, label string) uint64 {
	return rapid.OneOf(rapid.Uint64(), rapid.SampledFrom([]uint64{0, 1, math.MaxUint64})).Draw(t, label)
}

func drawInt(t *rapid.T, label string) int64 {
	return rapid.OneOf(rapid.Int64(), rapid.SampledFrom([]int64{0, math.MinInt64, math.MaxInt64})).Draw(t, label)
}

func drawTTL(t *rapid.T) time.Duration { return time.Duration(drawInt(t, "ttl")) }

func drawTime(t *rapid.T, label string) time.Time {
	if rapid.Bool().Draw(t, label+" is zero") {
		return time.Time{}
	}
	return time.Unix(rapid.Int64Range(-1<<33, 1<<35).Draw(t, label), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds")).UTC()
}

func drawValue(t *rapid.T) mainstem.Value {
	if rapid.Bool().Draw(t, "is counter") {
		return mainstem.Int(drawInt(t, "counter"))
	}
	return mainstem.Bytes(someBytes(t, "value"))
}

func drawEvent(t *rapid.T) mainstem.Event {
	return mainstem.Event{Type: drawText(t, "type"), Data: someBytes(t, "data")}
}

func drawToken(t *rapid.T) mainstem.Token {
	return mainstem.NewToken(list(t, "marks", func(t *rapid.T) mainstem.Mark {
		return mainstem.Mark{
			Partition: int(rapid.Uint16().Draw(t, "partition")), Incarnation: mainstem.Incarnation(drawUint(t, "incarnation")),
			Position: mainstem.Position(drawUint(t, "position")), Hash: rapid.Uint32().Draw(t, "hash"),
		}
	})...)
}

func drawID(t *rapid.T) mainstem.ID {
	switch rapid.IntRange(0, 2).Draw(t, "kind of ID") {
	case 0:
		return mainstem.ID{}
	case 1:
		name := rapid.StringMatching(`[a-zé ]{1,9}`).Draw(t, "id")
		return mainstem.ID{Opaque: name, Born: mainstem.LogAge(rapid.Int64Range(0, math.MaxInt64).Draw(t, "born"))}
	}
	id := mainstem.ID{Number: rapid.Uint64Range(1, math.MaxUint64).Draw(t, "number"), Born: mainstem.LogAge(rapid.Int64Range(0, math.MaxInt64).Draw(t, "born"))}
	id.Low = rapid.Uint64Range(1, id.Number).Draw(t, "low")
	copy(id.Session[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "session"))
	return id
}

// conditions are all kinds there are; TestEveryKindIsDrawn holds the list to the
// declarations.
var conditions = []func(*rapid.T) mainstem.Condition{
	func(t *rapid.T) mainstem.Condition { return mainstem.KeyAbsent{Name: drawText(t, "name")} },
	func(t *rapid.T) mainstem.Condition {
		return mainstem.KeyUnchanged{Name: drawText(t, "name"), Since: mainstem.Position(drawUint(t, "since"))}
	},
	func(t *rapid.T) mainstem.Condition {
		return mainstem.KeyEquals{Name: drawText(t, "name"), Value: drawValue(t)}
	},
	func(t *rapid.T) mainstem.Condition {
		return mainstem.StreamLength{Stream: drawText(t, "stream"), Length: drawUint(t, "length")}
	},
	func(t *rapid.T) mainstem.Condition {
		return mainstem.RangeUnchanged{From: drawText(t, "from"), To: drawText(t, "to"), Since: mainstem.Position(drawUint(t, "since"))}
	},
	func(t *rapid.T) mainstem.Condition {
		return mainstem.StreamsUnchanged{From: drawText(t, "from"), To: drawText(t, "to"), Since: mainstem.Position(drawUint(t, "since"))}
	},
	func(t *rapid.T) mainstem.Condition {
		return mainstem.LeaseHeld{Lease: drawText(t, "lease"), Token: mainstem.FencingToken(drawUint(t, "token"))}
	},
	func(t *rapid.T) mainstem.Condition { return mainstem.Committed{ID: drawText(t, "id")} },
}

var operations = []func(*rapid.T) mainstem.Operation{
	func(t *rapid.T) mainstem.Operation {
		return mainstem.Put{Name: drawText(t, "name"), Value: drawValue(t), TTL: drawTTL(t)}
	},
	func(t *rapid.T) mainstem.Operation { return mainstem.Delete{Name: drawText(t, "name")} },
	func(t *rapid.T) mainstem.Operation {
		add := mainstem.Add{Name: drawText(t, "name"), Delta: drawInt(t, "delta")}
		if rapid.Bool().Draw(t, "has floor") {
			n := drawInt(t, "floor")
			add.Floor = &n
		}
		if rapid.Bool().Draw(t, "has ceiling") {
			n := drawInt(t, "ceiling")
			add.Ceiling = &n
		}
		return add
	},
	func(t *rapid.T) mainstem.Operation {
		return mainstem.Append{Stream: drawText(t, "stream"), Events: list(t, "events", drawEvent)}
	},
	func(t *rapid.T) mainstem.Operation {
		return mainstem.Acquire{Lease: drawText(t, "lease"), Owner: drawText(t, "owner"), TTL: drawTTL(t)}
	},
	func(t *rapid.T) mainstem.Operation {
		return mainstem.Renew{Lease: drawText(t, "lease"), Token: mainstem.FencingToken(drawUint(t, "token")), TTL: drawTTL(t)}
	},
	func(t *rapid.T) mainstem.Operation {
		return mainstem.Release{Lease: drawText(t, "lease"), Token: mainstem.FencingToken(drawUint(t, "token"))}
	},
	func(t *rapid.T) mainstem.Operation {
		return mainstem.Emit{Topic: drawText(t, "topic"), Event: drawEvent(t)}
	},
	func(t *rapid.T) mainstem.Operation { return mainstem.Void{ID: drawText(t, "id")} },
	func(t *rapid.T) mainstem.Operation {
		return mainstem.Present{Lease: drawText(t, "lease"), Token: mainstem.FencingToken(drawUint(t, "token"))}
	},
}

func oneOf[T any](t *rapid.T, all []func(*rapid.T) T) T {
	return all[rapid.IntRange(0, len(all)-1).Draw(t, "kind")](t)
}

func drawTransaction(t *rapid.T) *mainstem.Transaction {
	return &mainstem.Transaction{
		Group: drawText(t, "group"), ID: drawID(t), Fingerprint: drawBytes(t, "fingerprint"), Attempt: rapid.Uint32().Draw(t, "attempt"),
		Networked: true, Deadline: mainstem.LogAge(drawInt(t, "deadline")), Reply: drawBytes(t, "reply"), Refused: rapid.Bool().Draw(t, "refused"),
		Conditions: list(t, "conditions", func(t *rapid.T) mainstem.Condition { return oneOf(t, conditions) }),
		Operations: list(t, "operations", func(t *rapid.T) mainstem.Operation { return oneOf(t, operations) }),
		Meta:       mainstem.Meta{Actor: drawText(t, "actor"), Request: drawText(t, "request"), Trace: drawText(t, "trace")},
	}
}

func drawReceipt(t *rapid.T) *mainstem.Receipt {
	r := &mainstem.Receipt{
		Partition: int(rapid.Uint16().Draw(t, "partition")), Position: mainstem.Position(drawUint(t, "position")),
		Incarnation: mainstem.Incarnation(drawUint(t, "incarnation")), Age: mainstem.LogAge(drawInt(t, "age")), Wall: drawTime(t, "wall"),
		Results: []mainstem.Result{}, Reply: drawBytes(t, "reply"), Refused: rapid.Bool().Draw(t, "refused"),
		Replayed: rapid.Bool().Draw(t, "replayed"), Token: drawToken(t), Weak: drawText(t, "weak"),
	}
	if rapid.Bool().Draw(t, "has seen this alone") {
		r.Token = mainstem.NewToken(mainstem.Mark{
			Partition: r.Partition, Incarnation: r.Incarnation, Position: r.Position, Hash: rapid.Uint32().Draw(t, "hash"),
		})
	}
	for range rapid.IntRange(0, 3).Draw(t, "results") {
		r.Results = append(r.Results, mainstem.Result{
			Counter: drawInt(t, "counter"), Length: drawUint(t, "length"), Token: mainstem.FencingToken(drawUint(t, "token")),
		})
	}
	return r
}

func drawEffect(t *rapid.T) mainstem.Effect {
	e := mainstem.Effect{
		Kind: mainstem.EffectKind(rapid.Uint8Range(uint8(mainstem.EffectPut), uint8(mainstem.EffectPresent)).Draw(t, "kind")),
		Name: drawText(t, "name"), Delta: drawInt(t, "delta"), Events: list(t, "events", drawEvent), First: drawUint(t, "first"),
		Token: mainstem.FencingToken(drawUint(t, "token")), Owner: drawText(t, "owner"), Until: mainstem.LogAge(drawInt(t, "until")),
	}
	if rapid.Bool().Draw(t, "has value") {
		e.Value = drawValue(t)
	}
	return e
}

func drawChange(t *rapid.T) mainstem.Change {
	return mainstem.Change{
		Partition: int(rapid.Uint16().Draw(t, "partition")), Position: mainstem.Position(drawUint(t, "position")),
		Incarnation: mainstem.Incarnation(drawUint(t, "incarnation")), Group: drawText(t, "group"), ID: drawID(t),
		Effects: list(t, "effects", drawEffect), Reply: drawBytes(t, "reply"), Refused: rapid.Bool().Draw(t, "refused"),
		Age: mainstem.LogAge(drawInt(t, "age")), Wall: drawTime(t, "wall"),
		Meta: mainstem.Meta{Actor: drawText(t, "actor"), Request: drawText(t, "request"), Trace: drawText(t, "trace")},
	}
}

func drawAnswer(t *rapid.T) mainstem.Answer {
	a := mainstem.Answer{
		Versions: list(t, "versions", func(t *rapid.T) mainstem.Version {
			v := mainstem.Version{
				Name: drawText(t, "name"), Exists: rapid.Bool().Draw(t, "exists"),
				Position: mainstem.Position(drawUint(t, "position")), Until: mainstem.LogAge(drawInt(t, "until")),
			}
			if v.Exists {
				v.Value = drawValue(t)
			}
			return v
		}),
		Events: list(t, "events", func(t *rapid.T) mainstem.Recorded {
			return mainstem.Recorded{Event: drawEvent(t), Number: drawUint(t, "number"), Position: mainstem.Position(drawUint(t, "position"))}
		}),
		Length: drawUint(t, "length"), Names: list(t, "names", func(t *rapid.T) string { return drawText(t, "name") }), More: rapid.Bool().Draw(t, "more"),
		Lease: mainstem.Lease{
			Owner: drawText(t, "owner"), Token: mainstem.FencingToken(drawUint(t, "token")),
			Until: mainstem.LogAge(drawInt(t, "until")), Released: rapid.Bool().Draw(t, "released"),
		},
	}
	if rapid.Bool().Draw(t, "has receipt") {
		a.Receipt = drawReceipt(t)
	}
	return a
}
