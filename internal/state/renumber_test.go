package state

import (
	"bytes"
	"testing"

	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/journal"
)

// TestRenumber: places and the tail get their indexes for slots, and nothing else changes.
func TestRenumber(t *testing.T) {
	tail := &Tail{Head: journal.Head{Index: 7, Slot: 12, Hash: journal.Hash{1}}, Last: 9, Generations: []Generation{{Target: record.Target{Generation: record.UUID{5}, URL: "postgres://x/y"}, Moved: 5}}}
	place := Place{Head: journal.Head{Index: 6, Slot: 11, Hash: journal.Hash{2}}, First: 8, Last: 8, Age: 3, Wall: 4}
	at, err := Renumber(Row{Key: recordKey(place.Last, place.Head.Index), Value: place.encode()})
	if err != nil {
		t.Fatal(err)
	}
	place.Head.Slot = 6
	if got, err := decodePlace(at); err != nil || got != place {
		t.Errorf("%+v, %v; want %+v", got, err, place)
	}
	end, err := Renumber(Row{Key: tailKey, Value: tail.encode()})
	if err != nil {
		t.Fatal(err)
	}
	tail.Head.Slot, tail.Generations = 7, nil
	if !bytes.Equal(end.Key, tailKey) || !bytes.Equal(end.Value, tail.encode()) {
		t.Error("the tail is another one, or has its old slot")
	}
	for _, key := range []string{"k", "kabc", "h", "s"} {
		row := Row{Key: []byte(key), Value: []byte{1, 2}}
		if got, err := Renumber(row); err != nil || string(got.Key) != key || !bytes.Equal(got.Value, row.Value) {
			t.Errorf("row %q: %v, %v", key, got, err)
		}
	}
	for _, broken := range []Row{{Key: []byte("r"), Value: nil}, {Key: tailKey, Value: []byte{1}}} {
		if _, err := Renumber(broken); err == nil {
			t.Errorf("row %q with %d bytes is taken", broken.Key, len(broken.Value))
		}
	}
}
