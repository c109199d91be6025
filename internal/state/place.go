package state

import (
	"sort"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/journal"
)

// Place is where and when a record is.
type Place struct {
	Head  journal.Head
	First mainstem.Position
	Last  mainstem.Position
	Age   mainstem.LogAge
	Wall  int64
}

func (p *Place) encode() []byte {
	var w writer
	w.raw(p.Head.Hash[:])
	w.uint(p.Head.Slot)
	w.uint(uint64(p.First))
	w.uint(uint64(p.Age))
	w.int(p.Wall)
	return w.b
}

func decodePlace(row Row) (Place, error) {
	var p Place
	if len(row.Key) != 17 {
		return p, mainstem.Errorf(mainstem.Corrupt, "a stored row of a record's place has a key of %d bytes (L12)", len(row.Key))
	}
	p.Last = mainstem.Position(eventNumber(row.Key[:9]))
	p.Head.Index = eventNumber(row.Key)
	r := reader{b: row.Value}
	r.fill(p.Head.Hash[:])
	p.Head.Slot, p.First = r.uint(), mainstem.Position(r.uint())
	p.Age, p.Wall = mainstem.LogAge(r.uint()), r.int()
	return p, r.end("a record's place")
}

// PlaceOf finds the record that holds a position, if its place is still kept.
func PlaceOf(rows Rows, p mainstem.Position) (Place, bool, error) {
	row, ok, err := rows.First(recordKey(p, 0), []byte{kindRecord + 1})
	if err != nil || !ok {
		return Place{}, false, err
	}
	place, err := decodePlace(row)
	return place, err == nil && place.First <= p, err
}

// OldestPlace finds the oldest record whose place is still kept.
func OldestPlace(rows Rows) (Place, bool, error) {
	row, ok, err := rows.First([]byte{kindRecord}, []byte{kindRecord + 1})
	if err != nil || !ok {
		return Place{}, false, err
	}
	place, err := decodePlace(row)
	return place, err == nil, err
}

func newestPlace(rows Rows) (Place, bool, error) {
	for row, err := range rows.ScanBack([]byte{kindRecord}, []byte{kindRecord + 1}) {
		if err != nil {
			return Place{}, false, err
		}
		place, err := decodePlace(row)
		return place, err == nil, err
	}
	return Place{}, false, nil
}

// ForgetPlaces deletes the places of all records before this one.
func ForgetPlaces(before Place) Write {
	return Write{Key: []byte{kindRecord}, Delete: true, End: recordKey(before.Last, before.Head.Index)}
}

// LastBefore is the last position whose record satisfies before, which must be
// true up to some record and false from there on. It looks at a number of
// places that is logarithmic in last.
func LastBefore(rows Rows, last mainstem.Position, before func(Place) bool) (mainstem.Position, error) {
	oldest, kept, err := OldestPlace(rows)
	if err != nil || !kept {
		return last, err
	}
	var failed error
	n := sort.Search(int(last), func(i int) bool {
		p := mainstem.Position(i + 1)
		if p < oldest.First {
			return false // a place that is no longer kept is older than every one that is
		}
		// In the gap that a restore has skipped, what counts is the record after it.
		row, ok, err := rows.First(recordKey(p, 0), []byte{kindRecord + 1})
		if err == nil && ok {
			var place Place
			place, err = decodePlace(row)
			ok = err == nil && !before(place)
		}
		if err != nil {
			failed = err
		}
		return ok
	})
	return mainstem.Position(n), failed
}

// PlaceAt finds the record with an index, if its place is still kept. It looks at
// a number of places that is logarithmic in last, the last position there is.
func PlaceAt(rows Rows, last mainstem.Position, index uint64) (Place, bool, error) {
	var failed error
	// Several records can end in one position, in the order of their indexes.
	from := sort.Search(int(last)+1, func(i int) bool {
		row, ok, err := rows.First(recordKey(mainstem.Position(i), 0), []byte{kindRecord + 1})
		var place Place
		if err == nil && ok {
			place, err = decodePlace(row)
		}
		if err != nil {
			failed = err
		}
		return err != nil || !ok || place.Head.Index > index
	})
	if failed != nil {
		return Place{}, false, failed
	}
	for row, err := range rows.Scan(recordKey(mainstem.Position(max(0, from-1)), 0), []byte{kindRecord + 1}) {
		if err != nil {
			return Place{}, false, err
		}
		place, err := decodePlace(row)
		if err != nil || place.Head.Index >= index {
			return place, err == nil && place.Head.Index == index, err
		}
	}
	return Place{}, false, nil
}
