package record

import (
	"math"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/journal"
	"pgregory.net/rapid"
)

// Generators of any record that Encode accepts. Empty slices are nil, as
// Decode returns them.

func list[T any](t *rapid.T, most int, label string, element func(*rapid.T) T) []T {
	n := rapid.IntRange(0, most).Draw(t, label)
	var l []T
	for range n {
		l = append(l, element(t))
	}
	return l
}

func drawBytes(t *rapid.T, label string) []byte {
	// Sizes around the steps of a length: 1, 2 and 3 bytes.
	n := rapid.OneOf(rapid.IntRange(0, 40), rapid.SampledFrom([]int{126, 127, 128, 129, 16383, 16384, 70000})).Draw(t, label+" size")
	if n == 0 {
		return nil
	}
	b := make([]byte, n)
	copy(b, rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(t, label))
	return b
}

func drawText(t *rapid.T, label string) string {
	return rapid.StringN(0, 20, 140).Draw(t, label)
}

func drawUint(t *rapid.T, label string) uint64 {
	return rapid.OneOf(rapid.Uint64(), rapid.SampledFrom([]uint64{0, 1, 127, 128, math.MaxUint64})).Draw(t, label)
}

func drawInt(t *rapid.T, label string) int64 { return unzigzag(drawUint(t, label)) }

func drawUUID(t *rapid.T, label string) (u UUID) {
	copy(u[:], rapid.SliceOfN(rapid.Byte(), 0, 16).Draw(t, label))
	return u
}

func drawID(t *rapid.T) mainstem.ID {
	if rapid.Bool().Draw(t, "opaque") {
		return mainstem.ID{Opaque: drawText(t, "id"), Born: mainstem.LogAge(drawInt(t, "born"))}
	}
	return mainstem.ID{Session: mainstem.SessionID(drawUUID(t, "session")), Number: drawUint(t, "number"), Low: drawUint(t, "low")}
}

func drawHeader(t *rapid.T) Header {
	h := Header{
		Version:     rapid.Uint8Range(Oldest, Newest).Draw(t, "version"),
		Index:       rapid.Uint64Min(1).Draw(t, "index"),
		Database:    drawUUID(t, "database"),
		Generation:  drawUUID(t, "generation"),
		Incarnation: mainstem.Incarnation(drawUint(t, "incarnation")),
		Partition:   rapid.Uint32().Draw(t, "partition"),
		Node:        drawText(t, "node"),
		First:       mainstem.Position(rapid.Uint64Range(1, math.MaxUint64-100).Draw(t, "first")),
		Age:         mainstem.LogAge(drawInt(t, "age")),
		Wall:        drawInt(t, "wall"),
		Boot:        drawUUID(t, "boot"),
		BootTime:    drawInt(t, "boot time"),
		Leap:        drawInt(t, "leap"),
		Restored:    rapid.Bool().Draw(t, "restored"),
	}
	if rapid.Bool().Draw(t, "has predecessor") {
		h.PrevHash = journal.Sum([]byte(h.Node))
	}
	if rapid.Bool().Draw(t, "is genesis") {
		h.Genesis = &Genesis{
			Partitions: rapid.Uint32().Draw(t, "partitions"),
			SlotEnds:   list(t, 3, "slot ends", func(t *rapid.T) uint16 { return rapid.Uint16().Draw(t, "end") }),
			Created:    drawInt(t, "created"),
			After:      mainstem.Position(drawUint(t, "after")),
		}
	}
	if rapid.Bool().Draw(t, "has settings") {
		h.Settings = &Settings{IDAge: drawInt(t, "id age"), History: list(t, 3, "history", func(t *rapid.T) Keep {
			return Keep{Group: drawText(t, "group"), Prefix: drawText(t, "prefix"), Age: drawInt(t, "age")}
		})}
	}
	if rapid.Bool().Draw(t, "has checkpoint") {
		h.Checkpoint = &Checkpoint{
			Settled: drawUint(t, "settled"), Range: rapid.Byte().Draw(t, "range"), Digest: drawUUID(t, "digest"),
			Next: rapid.Byte().Draw(t, "next"), Horizons: list(t, 3, "horizons", func(t *rapid.T) mainstem.Position {
				return mainstem.Position(drawUint(t, "horizon"))
			}),
		}
	}
	if rapid.Bool().Draw(t, "has member") {
		h.Member = &Member{
			Address: drawText(t, "address"), Zone: drawText(t, "zone"), Version: drawText(t, "version"),
			Newest: rapid.Byte().Draw(t, "newest"), Flushed: drawUint(t, "flushed"), Gone: rapid.Bool().Draw(t, "gone"), Reaches: drawUUID(t, "reaches"),
		}
	}
	if rapid.Bool().Draw(t, "has vote") {
		h.Vote = &Vote{Settled: drawUint(t, "settled"), Range: rapid.Byte().Draw(t, "range"), Digest: drawUUID(t, "digest")}
	}
	h.Prepare = drawTarget(t, "prepare")
	if HandsOver(h.Version) {
		h.Successor = drawText(t, "successor")
	}
	h.Refusals = list(t, 3, "refusals", func(t *rapid.T) Refusal {
		return Refusal{Group: drawText(t, "group"), ID: drawID(t), Attempt: rapid.Uint32().Draw(t, "attempt")}
	})
	return h
}

func drawTarget(t *rapid.T, label string) *Target {
	if rapid.Bool().Draw(t, label) {
		return nil
	}
	target := &Target{Generation: UUID{1}, URL: "x" + drawText(t, label+" url")}
	if target.Base = drawUint(t, label+" base"); target.Base != 0 {
		target.BaseHash = journal.Sum([]byte(label))
	}
	target.Pace = rapid.Int64Min(0).Draw(t, label+" pace")
	return target
}

func drawEvent(t *rapid.T) mainstem.Event {
	return mainstem.Event{Type: drawText(t, "type"), Data: drawBytes(t, "data")}
}

func drawEffect(t *rapid.T) mainstem.Effect {
	e := mainstem.Effect{
		Kind:   mainstem.EffectKind(rapid.Uint8Range(uint8(mainstem.EffectPut), uint8(mainstem.EffectPresent)).Draw(t, "kind")),
		Name:   drawText(t, "name"),
		Delta:  drawInt(t, "delta"),
		Events: list(t, 3, "events", drawEvent),
		First:  drawUint(t, "first"),
		Token:  mainstem.FencingToken(drawUint(t, "token")),
		Owner:  drawText(t, "owner"),
		Until:  mainstem.LogAge(drawInt(t, "until")),
	}
	if rapid.Bool().Draw(t, "is counter") {
		e.Value = mainstem.Int(drawInt(t, "counter"))
	} else {
		e.Value.Bytes = drawBytes(t, "value")
	}
	return e
}

func drawTransaction(t *rapid.T) Transaction {
	return Transaction{
		Group:       drawText(t, "group"),
		ID:          drawID(t),
		Attempt:     rapid.Uint32().Draw(t, "attempt"),
		Fingerprint: drawBytes(t, "fingerprint"),
		Effects:     list(t, 4, "effects", drawEffect),
		Results: list(t, 4, "results", func(t *rapid.T) mainstem.Result {
			return mainstem.Result{Counter: drawInt(t, "counter"), Length: drawUint(t, "length"), Token: mainstem.FencingToken(drawUint(t, "token"))}
		}),
		Reply:   drawBytes(t, "reply"),
		Refused: rapid.Bool().Draw(t, "refused"),
		Meta:    mainstem.Meta{Actor: drawText(t, "actor"), Request: drawText(t, "request"), Trace: drawText(t, "trace")},
		Later:   time.Duration(rapid.Int64Min(0).Draw(t, "later")),
	}
}

func drawRecord(t *rapid.T) *Record {
	r := &Record{Header: drawHeader(t), Transactions: list(t, 4, "transactions", drawTransaction)}
	r.Count = uint32(len(r.Transactions))
	if r.Count == 0 {
		r.Moved = drawTarget(t, "moved")
	}
	return r
}
