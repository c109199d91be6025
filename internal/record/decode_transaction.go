package record

import (
	"math"
	"time"

	"github.com/mainstemdb/mainstem"
)

// room is what the lists of a record's transactions are cut from: most have as many
// elements as that of the transaction before, and whoever keeps one keeps the record's
// bytes anyway.
type room struct {
	coming  int // transactions, with the one that is decoded
	effects []mainstem.Effect
	results []mainstem.Result
}

// roomAtOnce is the most elements that are made for transactions to come.
const roomAtOnce = 256

// listIn is decodeList out of a room.
func listIn[T any](f *fields, room *[]T, coming int, decode func([]byte, *T) error) []T {
	n := f.elements()
	if n > len(*room) {
		*room = make([]T, max(n, min(n*coming, roomAtOnce)))
	}
	list := (*room)[:n:n]
	*room = (*room)[n:]
	fillList(f, list, decode)
	return list
}

func decodeTransaction(b []byte, t *Transaction, room *room) error {
	f := fields{b: b, what: "transaction", known: txKnown}
	for f.next() {
		if decodeName(&f, &t.Group, &t.ID, &t.Attempt) {
			continue
		}
		switch f.key {
		case txFingerprint:
			t.Fingerprint = f.bytes()
		case txEffects:
			t.Effects = listIn(&f, &room.effects, room.coming, decodeEffect)
		case txResults:
			t.Results = listIn(&f, &room.results, room.coming, decodeResult)
		case txReply:
			t.Reply = f.bytes()
		case txRefused:
			t.Refused = f.flag()
		case txActor:
			t.Meta.Actor = f.string()
		case txRequest:
			t.Meta.Request = f.string()
		case txTrace:
			t.Meta.Trace = f.string()
		case txLater:
			t.Later = time.Duration(f.uint(math.MaxInt64))
		default:
			f.unknown()
		}
	}
	return f.err
}

// decodeName reads a field that names an attempt, and reports whether the
// current one is.
func decodeName(f *fields, group *string, id *mainstem.ID, attempt *uint32) bool {
	switch f.key {
	case nameGroup:
		*group = f.string()
	case nameOpaque:
		id.Opaque = f.string()
	case nameBorn:
		id.Born = mainstem.LogAge(f.int())
	case nameSession:
		f.raw(id.Session[:])
	case nameNumber:
		id.Number = f.uint(math.MaxUint64)
	case nameLow:
		id.Low = f.uint(math.MaxUint64)
	case nameAttempt:
		*attempt = uint32(f.uint(math.MaxUint32))
	default:
		return false
	}
	return true
}

func decodeEffect(b []byte, e *mainstem.Effect) error {
	f := fields{b: b, what: "effect", known: effectKnown}
	for f.next() {
		switch f.key {
		case effectKind:
			e.Kind = mainstem.EffectKind(f.uint(math.MaxUint8))
		case effectName:
			e.Name = f.string()
		case effectBytes:
			e.Value.Bytes = f.bytes()
		case effectCounter:
			e.Value = mainstem.Value{Counter: true, Int: f.counter(), Bytes: e.Value.Bytes}
		case effectDelta:
			e.Delta = f.int()
		case effectEvents:
			e.Events = decodeList(&f, decodeEvent)
		case effectFirst:
			e.First = f.uint(math.MaxUint64)
		case effectToken:
			e.Token = mainstem.FencingToken(f.uint(math.MaxUint64))
		case effectOwner:
			e.Owner = f.string()
		case effectUntil:
			e.Until = mainstem.LogAge(f.int())
		default:
			f.unknown()
		}
	}
	if what := brokenEffect(e); f.err == nil && what != "" {
		f.fail("%s", what)
	}
	return f.err
}

// counter is a signed number that may be zero.
func (f *fields) counter() int64 {
	if f.to == f.from+1 && f.b[f.from] == 0 {
		return 0
	}
	return f.int()
}

func decodeEvent(b []byte, e *mainstem.Event) error {
	f := fields{b: b, what: "event", known: eventKnown}
	for f.next() {
		switch f.key {
		case eventType:
			e.Type = f.string()
		case eventData:
			e.Data = f.bytes()
		default:
			f.unknown()
		}
	}
	return f.err
}

func decodeResult(b []byte, r *mainstem.Result) error {
	if len(b) == 0 || b[0] >= resultToken<<1 {
		return corrupt("result of no known kind")
	}
	has, at, ok := b[0], 1, true
	number := func(bit byte) (v uint64) {
		if has&bit == 0 || !ok {
			return 0
		}
		v, at, ok = uvarintAt(b, at)
		ok = ok && v != 0
		return v
	}
	r.Counter = unzigzag(number(resultCounter))
	r.Length = number(resultLength)
	r.Token = mainstem.FencingToken(number(resultToken))
	if !ok || at != len(b) {
		return corrupt("result is not in its one form")
	}
	return nil
}
