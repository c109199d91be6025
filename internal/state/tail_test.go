package state

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/record"
)

// TestLastBeforeFindsWhatACountFinds over logs with empty records, restores
// with their gaps, and places that are no longer kept.
func TestLastBeforeFindsWhatACountFinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := mapRows{}
		var places []Place
		last, age := mainstem.Position(0), mainstem.LogAge(0)
		for i := range rapid.IntRange(1, 12).Draw(t, "records") {
			h := record.Header{Index: uint64(i + 1), First: last + 1, Count: rapid.Uint32Range(0, 3).Draw(t, "transactions")}
			if rapid.IntRange(0, 4).Draw(t, "restore") == 0 && i > 0 {
				h.First, h.Count = last+1+1<<40, 0
			}
			age += mainstem.LogAge(rapid.Int64Range(0, 3).Draw(t, "age"))
			h.Age = age
			last = h.Last()
			place := Place{First: h.First, Last: last, Age: age}
			place.Head.Index = h.Index
			rows.apply([]Write{{Key: recordKey(last, h.Index), Value: place.encode()}})
			places = append(places, place)
		}
		limit := mainstem.LogAge(rapid.Int64Range(0, int64(age)+1).Draw(t, "limit"))
		forgotten := places[rapid.IntRange(0, len(places)-1).Draw(t, "kept from")]
		rows.apply([]Write{ForgetPlaces(forgotten)})
		var want mainstem.Position
		for _, p := range places {
			// The position before the first transaction that is not before.
			if p.Age < limit || p.Head.Index < forgotten.Head.Index {
				want = p.Last
			}
		}
		got, err := LastBefore(rows, last, func(p Place) bool { return p.Age < limit })
		if err != nil || !sameState(places, got, want) {
			t.Errorf("LastBefore age %d over %+v, kept from record %d on, is %s, %v; want %s", limit, places, forgotten.Head.Index, got, err, want)
		}
	})
}

// sameState reports whether no transaction lies between two positions.
func sameState(places []Place, a, b mainstem.Position) bool {
	for _, p := range places {
		for q := p.First; q <= p.Last; q++ {
			if (q <= a) != (q <= b) {
				return false
			}
		}
	}
	return true
}

// TestIDsAreKeptForExactlyTheirAge: at every age an ID is known exactly when
// it is not older than the ID age, its row is gone when its bucket is, and
// rows do not pile up (L5, L10).
func TestIDsAreKeptForExactlyTheirAge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		h := w.header(0)
		idAge := time.Duration(rapid.Int64Range(4, 40).Draw(t, "ID age"))
		h.Settings = &record.Settings{IDAge: int64(idAge)}
		w.write(h, 0, nil)
		born := map[string]mainstem.LogAge{}
		for i := range rapid.IntRange(1, 25).Draw(t, "records") {
			age := w.tail.Age + mainstem.LogAge(rapid.Int64Range(0, int64(idAge)).Draw(t, "passed"))
			id := fmt.Sprint("id-", i)
			w.write(w.header(age), 0, []*mainstem.Transaction{{Group: "g", ID: mainstem.ID{Opaque: id}}})
			born[id] = age
			for id, at := range born {
				known, err := Known(w.rows, w.tail, "g", mainstem.ID{Opaque: id}, nil, age)
				if err != nil || (known != nil) != (age.Sub(at) <= idAge) {
					t.Fatalf("at age %d, ID of age %d, kept for %d: known %t, %v (L5)", age, at, idAge, known != nil, err)
				}
				again := mainstem.ID{Opaque: "another-" + id, Born: max(1, at)}
				_, err = Known(w.rows, w.tail, "g", again, nil, age)
				if late := age.Sub(again.Born) > idAge; late != (mainstem.CodeOf(err) == mainstem.TooOld) {
					t.Fatalf("at age %d an ID born at %d, kept for %d: %v (L5)", age, at, idAge, err)
				}
			}
			if len(w.tail.Buckets) > 2*bucketsPerAge+2 {
				t.Fatalf("%d buckets at once (L10)", len(w.tail.Buckets))
			}
			rows := uint64(0)
			for key := range w.rows {
				if key[0] == kindID {
					rows++
				}
			}
			if rows != w.tail.IDs() {
				t.Fatalf("%d rows of IDs, the tail counts %d", rows, w.tail.IDs())
			}
		}
	})
}

// TestIDsAreBounded: as many of the callers' own IDs are remembered as the limit says.
// Beyond it a new one is refused; one that is known is answered, the library's own go
// on, and with the age of the others there is room again, by records (L5, L10).
func TestIDsAreBounded(t *testing.T) {
	w := newWorld(t)
	one := func(age mainstem.LogAge, id mainstem.ID) decision {
		all, _ := w.write(w.header(age), 0, []*mainstem.Transaction{{Group: "g", ID: id}})
		return all[0]
	}
	named := func(id string) mainstem.ID { return mainstem.ID{Opaque: id} }
	if d := one(1, named("first")); d.err != nil {
		t.Fatal(d.err)
	}
	for _, tail := range []*Tail{w.tail, w.read} { // as if so many had come
		tail.Buckets = []Bucket{{Start: tail.Buckets[0].Start, IDs: LimitIDs - 1}}
	}
	if d := one(2, named("last")); d.err != nil {
		t.Errorf("the last one that fits: %v", d.err)
	}
	if d := one(3, named("beyond")); mainstem.CodeOf(d.err) != mainstem.Overloaded {
		t.Errorf("one more than the limit: %v", d.err)
	}
	if d := one(3, named("last")); d.err != nil || d.known == nil {
		t.Errorf("one that is known: %v, %v", d.known, d.err)
	}
	if d := one(3, mainstem.ID{Session: mainstem.SessionID{1}, Number: 1, Low: 1}); d.err != nil {
		t.Errorf("one of the library's: %v", d.err)
	}
	for day := range 3 {
		d := one(mainstem.LogAge(day+1)*mainstem.LogAge(25*time.Hour), named("beyond"))
		if refused := mainstem.CodeOf(d.err) == mainstem.Overloaded; refused != (day == 0) {
			t.Errorf("after %d days and hours: %v", day+1, d.err)
		}
	}
}

// TestLeapsStayWithinTheirBudget: however leaps come, any stretch of log age
// as long as the ID age holds at most a quarter of it in leaps (L6).
func TestLeapsStayWithinTheirBudget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const idAge = 400
		tail := &Tail{Settings: record.Settings{IDAge: idAge}}
		var taken []Leap
		for range rapid.IntRange(1, 30).Draw(t, "leaps") {
			tail.Age += mainstem.LogAge(rapid.Int64Range(0, 150).Draw(t, "passed"))
			leap := min(rapid.Int64Range(0, 1000).Draw(t, "wall"), tail.LeapBudget(tail.Age))
			if leap == 0 {
				continue
			}
			h := &record.Header{Index: 2, Age: tail.Age + mainstem.LogAge(leap), Leap: leap}
			tail = Begin(new(Room), mapRows{}, nil, tail, h, func(Write) {}).Tail
			taken = append(taken, Leap{At: h.Age, Amount: leap})
		}
		for i := range taken {
			sum := int64(0)
			for _, l := range taken[i:] {
				if l.At.Sub(taken[i].At) <= idAge {
					sum += l.Amount
				}
			}
			if sum > idAge/4 {
				t.Fatalf("within one ID age from %d on, %d was taken from wall clocks; the limit is %d (L6): %v", taken[i].At, sum, idAge/4, taken)
			}
		}
	})
}

// TestOtherLayout: rows that another version has laid out are refused, not
// taken for an empty state.
func TestOtherLayout(t *testing.T) {
	for what, key := range map[string][]byte{"a newer layout": {kindTail, layout + 1}, "the first layout": {kindTail}} {
		if _, err := LoadTail(mapRows{string(key): "x"}); mainstem.CodeOf(err) != mainstem.Invalid {
			t.Errorf("%s: %v", what, err)
		}
	}
	if tail, err := LoadTail(mapRows{}); err != nil || tail.Last != 0 {
		t.Errorf("an empty state: %v, %v", tail, err)
	}
}
