package state

import (
	"encoding/binary"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/record"
)

// Room is the memory that one step works in, to be used again by the next: a
// transaction is judged without making objects of its own. The zero Room is
// ready. What a step has decided lies in it until the next step begins.
type Room struct {
	judgement judgement
	decided   record.Transaction
	effects   []mainstem.Effect
	results   []mainstem.Result
	receipts  []byte

	// A row that is being written or looked for.
	key   []byte
	value writer

	// The group that was asked for last, and where it is.
	group string
	slot  uint16
}

// begin makes room for another step.
func (r *Room) begin() {
	clear(r.effects)
	r.effects, r.results = r.effects[:0], r.results[:0]
	r.judgement, r.decided = judgement{}, record.Transaction{}
}

// name is nameKey in the room: good until the next name.
func (r *Room) name(kind byte, group, name string) []byte {
	if r.group != group || group == "" {
		r.group, r.slot = group, mainstem.SlotOf(group)
	}
	r.key = appendName(r.key[:0], kind, r.slot, group, name)
	return r.key
}

// numbered is the name followed by a number, as versions and events are.
func (r *Room) numbered(name []byte, n uint64) []byte {
	r.key = binary.BigEndian.AppendUint64(name, n)
	return r.key
}

// empty is a value without fields yet.
func (r *Room) empty() *writer {
	r.value.b = r.value.b[:0]
	return &r.value
}

// share cuts a piece without elements off a list, for n of them. A list that
// is too short is left to those who have pieces of it.
func share[T any](list []T, n int) (rest, piece []T) {
	if cap(list)-len(list) < n {
		list = make([]T, 0, max(64, n, 2*cap(list)))
	}
	at := len(list)
	return list[:at+n], list[at : at : at+n]
}
