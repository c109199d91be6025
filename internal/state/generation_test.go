package state

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/journal"
)

// replayed takes the step of a record behind a tail.
func replayed(t *testing.T, rows mapRows, tail *Tail, change func(*record.Header)) (*Tail, error) {
	t.Helper()
	h := record.Header{Index: tail.Head.Index + 1, PrevHash: tail.Head.Hash, Generation: tail.Generation, First: tail.Last + 1, Node: "a"}
	if h.Index == 1 {
		h.Genesis, h.Generation = &record.Genesis{Partitions: 1}, record.UUID{9}
	}
	change(&h)
	r := &record.Record{Header: h}
	return Replay(new(Room), rows, nil, tail, r, journal.Head{Index: h.Index, Hash: journal.Sum([]byte(fmt.Sprint(h.Index))), Slot: h.Index}, func(w Write) { rows.apply([]Write{w}) })
}

// TestMove: behind the record that moves the log every record is of the new
// generation, and the tail says of which one every record is, through two moves and
// after it was stored (L2).
func TestMove(t *testing.T) {
	rows, tail := mapRows{}, &Tail{}
	step := func(want mainstem.Code, change func(*record.Header)) {
		t.Helper()
		next, err := replayed(t, rows, tail, change)
		if mainstem.CodeOf(err) != want {
			t.Fatalf("record %d: %v, want %v (L2)", tail.Head.Index+1, err, want)
		}
		if err == nil {
			tail = next
		}
	}
	nothing := func(*record.Header) {}
	move := func(to byte) func(*record.Header) {
		return func(h *record.Header) { h.Moved = &record.Target{Generation: record.UUID{to}, URL: "x://y"} }
	}
	step(0, nothing)
	step(mainstem.Corrupt, move(9)) // to where it is
	step(0, move(2))
	step(mainstem.Corrupt, func(h *record.Header) { h.Generation = record.UUID{9} })
	step(0, nothing)
	step(0, func(h *record.Header) { h.Node = "b"; h.Member = &record.Member{Reaches: record.UUID{3}} })
	step(0, move(3))
	step(0, nothing)
	stored, err := LoadTail(rows)
	if err != nil || !reflect.DeepEqual(stored, tail) {
		t.Errorf("stored\n%+v, %v\nof\n%+v", stored, err, tail)
	}
	for index, want := range []byte{9, 9, 9, 2, 2, 2, 3, 3} {
		if got := stored.GenerationAt(uint64(index)); got != (record.UUID{want}) {
			t.Errorf("record %d is of generation %x, want %d", index, got, want)
		}
	}
	if g, ok := stored.Moved(); !ok || g.Moved != 5 || g.Before != (record.UUID{2}) {
		t.Errorf("the last move is %+v, %v", g, ok)
	}
}

// TestMoveChangesNoWriter: who moves a log or prepares it has not taken over.
func TestMoveChangesNoWriter(t *testing.T) {
	rows, tail := mapRows{}, &Tail{}
	for i, change := range []func(*record.Header){
		func(*record.Header) {},
		func(h *record.Header) { h.Node, h.Prepare = "b", &record.Target{Generation: record.UUID{2}, URL: "x"} },
		func(h *record.Header) { h.Node, h.Moved = "b", &record.Target{Generation: record.UUID{2}, URL: "x"} },
	} {
		var err error
		if tail, err = replayed(t, rows, tail, change); err != nil || tail.Writer != "a" {
			t.Errorf("after record %d, %q writes, %v; want a", i+1, tail.Writer, err)
		}
	}
}
