package record

import (
	"encoding/binary"

	"github.com/mainstemdb/mainstem"
)

// Bytes that a length, a field or an element adds at most to its content.
const (
	fieldBound  = 1 + binary.MaxVarintLen64 + 1
	listBound   = 1 + 5
	eventBound  = 5 + 2*listBound
	effectBound = 5 + 3*listBound + 7*fieldBound
	resultBound = 1 + 1 + 3*binary.MaxVarintLen64
	txBound     = sizeSize + 9*listBound + 7*fieldBound + 16

	// HeaderBound is an upper bound, in bytes, of a record without
	// transactions, refusals, genesis, settings and targets of moves, for names of
	// nodes of at most mainstem.LimitName bytes.
	HeaderBound = minRecord + 20*fieldBound + 32 + 5*16 + 2*(mainstem.LimitName+listBound) + 5*fieldBound
)

// Bound is an upper bound of the bytes that the transaction adds to a record.
// It is cheap, and not far above the truth: a writer adds up bounds to keep
// its record within journal.MaxRecord.
func (t *Transaction) Bound() int {
	n := txBound + len(t.Group) + len(t.ID.Opaque) + len(t.Fingerprint) + len(t.Reply) +
		len(t.Meta.Actor) + len(t.Meta.Request) + len(t.Meta.Trace) + resultBound*len(t.Results)
	for i := range t.Effects {
		e := &t.Effects[i]
		n += effectBound + len(e.Name) + len(e.Value.Bytes) + len(e.Owner)
		for j := range e.Events {
			n += eventBound + len(e.Events[j].Type) + len(e.Events[j].Data)
		}
	}
	return n
}

// Bound is an upper bound of the bytes that the refusal adds to a record.
func (r *Refusal) Bound() int {
	return 2*listBound + listBound + 6*fieldBound + 16 + len(r.Group) + len(r.ID.Opaque)
}

func appendTransaction(b []byte, t *Transaction) []byte {
	b = appendName(b, t.Group, &t.ID, t.Attempt)
	b = putBytes(b, txFingerprint, t.Fingerprint)
	b = putList(b, txEffects, t.Effects, appendEffect)
	b = putList(b, txResults, t.Results, appendResult)
	b = putBytes(b, txReply, t.Reply)
	b = putFlag(b, txRefused, t.Refused)
	b = putBytes(b, txActor, t.Meta.Actor)
	b = putBytes(b, txRequest, t.Meta.Request)
	b = putBytes(b, txTrace, t.Meta.Trace)
	return putUint(b, txLater, uint64(t.Later))
}

func appendName(b []byte, group string, id *mainstem.ID, attempt uint32) []byte {
	b = putBytes(b, nameGroup, group)
	b = putBytes(b, nameOpaque, id.Opaque)
	b = putInt(b, nameBorn, int64(id.Born))
	if id.Session != (mainstem.SessionID{}) {
		b = append(append(b, nameSession, byte(len(id.Session))), id.Session[:]...)
	}
	b = putUint(b, nameNumber, id.Number)
	b = putUint(b, nameLow, id.Low)
	return putUint(b, nameAttempt, uint64(attempt))
}

func appendEffect(b []byte, e *mainstem.Effect) []byte {
	b = putUint(b, effectKind, uint64(e.Kind))
	b = putBytes(b, effectName, e.Name)
	b = putBytes(b, effectBytes, e.Value.Bytes)
	if e.Value.Counter {
		v := zigzag(e.Value.Int)
		b = binary.AppendUvarint(append(b, effectCounter, byte(uvarintLen(v))), v)
	}
	b = putInt(b, effectDelta, e.Delta)
	b = putList(b, effectEvents, e.Events, appendEvent)
	b = putUint(b, effectFirst, e.First)
	b = putUint(b, effectToken, uint64(e.Token))
	b = putBytes(b, effectOwner, e.Owner)
	return putInt(b, effectUntil, int64(e.Until))
}

func appendEvent(b []byte, e *mainstem.Event) []byte {
	return putBytes(putBytes(b, eventType, e.Type), eventData, e.Data)
}

func appendResult(b []byte, r *mainstem.Result) []byte {
	at := len(b)
	b = append(b, 0)
	if r.Counter != 0 {
		b[at] |= resultCounter
		b = binary.AppendUvarint(b, zigzag(r.Counter))
	}
	if r.Length != 0 {
		b[at] |= resultLength
		b = binary.AppendUvarint(b, r.Length)
	}
	if r.Token != 0 {
		b[at] |= resultToken
		b = binary.AppendUvarint(b, uint64(r.Token))
	}
	return b
}
