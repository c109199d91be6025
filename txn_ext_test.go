package mainstem_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/sim"
)

// sheet is what a group holds, as a child would keep it: the independent
// judge of what a transaction reads.
type sheet struct {
	keys    map[string]mainstem.Value
	streams map[string][]string
}

func (s sheet) clone() sheet {
	c := sheet{maps.Clone(s.keys), maps.Clone(s.streams)}
	for name, events := range c.streams {
		c.streams[name] = slices.Clone(events)
	}
	return c
}

// A transaction reads its own writes over what was there, key by key and range
// by range, whatever the order; and what it read last is what it leaves.
func TestTxnReadsItsOwnWrites(t *testing.T) {
	sim.Rounds(t, 60, func(t *testing.T, seed uint64) {
		r := sim.Rand(seed)
		g := open(t).Group("g")
		model := sheet{map[string]mainstem.Value{}, map[string][]string{}}
		for n := range 6 {
			next := model
			do(t, g, fmt.Sprint(n), func(tx *mainstem.Txn) error {
				next = model.clone()
				for range r.IntN(25) {
					next.write(r, tx)
					next.check(t, r, tx)
				}
				return nil
			})
			model = next
			model.check(t, r, view(t, g))
			model.whole(t, view(t, g))
		}
	})
}

// write does one random thing to the transaction and to the sheet. Names that
// hold bytes and names that hold counters differ: mixing them is Invalid.
func (s sheet) write(r *rand.Rand, tx *mainstem.Txn) {
	text, number := fmt.Sprintf("b%d", r.IntN(6)), fmt.Sprintf("n%d", r.IntN(4))
	switch r.IntN(6) {
	case 0:
		value := fmt.Sprint(r.IntN(100))
		tx.Put(text, []byte(value))
		s.keys[text] = mainstem.Bytes([]byte(value))
	case 1:
		tx.Delete(text)
		delete(s.keys, text)
	case 2:
		tx.Set(number, 7)
		s.keys[number] = mainstem.Int(7)
	case 3:
		tx.Delete(number)
		delete(s.keys, number)
	case 4:
		d := int64(r.IntN(10)) - 5
		tx.Add(number, d)
		s.keys[number] = mainstem.Int(s.keys[number].Int + d)
	case 5:
		stream, event := fmt.Sprintf("s%d", r.IntN(2)), fmt.Sprint(r.IntN(100))
		tx.Append(stream, mainstem.Event{Type: "t", Data: []byte(event)})
		s.streams[stream] = append(s.streams[stream], event)
	}
}

// check reads something at random and holds it against the sheet.
func (s sheet) check(t *testing.T, r *rand.Rand, reader mainstem.Reader) {
	t.Helper()
	names := []string{"", "b0", "b2", "b3x", "b5", "c", "n0", "n3", "n9"}
	switch r.IntN(4) {
	case 0:
		name := names[1+r.IntN(len(names)-1)]
		got, err := reader.Get(t.Context(), name)
		want, exists := s.keys[name]
		if err != nil || got.Exists != exists || !got.Value.Equal(want) {
			t.Errorf("Get(%q) = %+v, %v, must be %v (%v)", name, got, err, want, exists)
		}
	case 1:
		from, to := names[r.IntN(len(names))], names[r.IntN(len(names))]
		if to != "" && to <= from {
			return
		}
		s.scan(t, reader, from, to, 1+r.IntN(8))
	case 2:
		stream := fmt.Sprintf("s%d", r.IntN(2))
		if n, err := reader.Length(t.Context(), stream); err != nil || n != uint64(len(s.streams[stream])) {
			t.Errorf("Length(%q) = %d, %v, must be %d", stream, n, err, len(s.streams[stream]))
		}
	case 3:
		s.events(t, reader, fmt.Sprintf("s%d", r.IntN(2)), r.IntN(4))
	}
}

// scan stops after the given number of keys, as callers do.
func (s sheet) scan(t *testing.T, reader mainstem.Reader, from, to string, most int) {
	t.Helper()
	var got, want []string
	for v, err := range reader.Scan(t.Context(), from, to) {
		must(t, err)
		got = append(got, v.Name+"="+v.Value.String())
		if len(got) == most {
			break
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.keys)) {
		if name >= from && (to == "" || name < to) && len(want) < most {
			want = append(want, name+"="+s.keys[name].String())
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("Scan(%q, %q) yields %q, must yield %q", from, to, got, want)
	}
}

func (s sheet) events(t *testing.T, reader mainstem.Reader, stream string, after int) {
	t.Helper()
	var got []string
	for e, err := range reader.Events(t.Context(), stream, uint64(after)) {
		must(t, err)
		if e.Number != uint64(after+len(got)+1) {
			t.Errorf("event number %d of %s after %d", e.Number, stream, after)
		}
		got = append(got, string(e.Data))
	}
	want := s.streams[stream][min(after, len(s.streams[stream])):]
	if !slices.Equal(got, want) {
		t.Errorf("events of %s after %d are %q, must be %q", stream, after, got, want)
	}
}

func (s sheet) whole(t *testing.T, v *mainstem.View) {
	t.Helper()
	s.scan(t, v, "", "", 1<<30)
	for _, stream := range []string{"s0", "s1"} {
		s.events(t, v, stream, 0)
	}
}

// Everything that a function has read is a condition: whatever changes below it
// makes it run again, and nothing else does.
func TestTxnReadsAreConditions(t *testing.T) {
	ctx := t.Context()
	type act func(tx *mainstem.Txn) error
	get := func(name string) act {
		return func(tx *mainstem.Txn) error { _, err := tx.Get(ctx, name); return err }
	}
	scan := func(from, to string, most int) act {
		return func(tx *mainstem.Txn) error {
			for _, err := range tx.Scan(ctx, from, to) {
				if most--; most == 0 || err != nil {
					return err
				}
			}
			return nil
		}
	}
	length := func(tx *mainstem.Txn) error { _, err := tx.Length(ctx, "s"); return err }
	put := func(name string) act { return func(tx *mainstem.Txn) error { tx.Put(name, nil); return nil } }
	remove := func(name string) act { return func(tx *mainstem.Txn) error { tx.Delete(name); return nil } }
	appendTo := func(stream string) act {
		return func(tx *mainstem.Txn) error { tx.Append(stream, mainstem.Event{Type: "t"}); return nil }
	}
	for name, c := range map[string]struct {
		read, meanwhile act
		again           bool
	}{
		"key written":              {get("b"), put("b"), true},
		"key deleted":              {get("b"), remove("b"), true},
		"absent key written":       {get("x"), put("x"), true},
		"other key written":        {get("b"), put("c"), false},
		"phantom":                  {scan("a", "f", 0), put("bb"), true},
		"deleted from the range":   {scan("a", "f", 0), remove("d"), true},
		"outside the range":        {scan("a", "f", 0), put("f"), false},
		"in the part that is read": {scan("a", "", 2), put("aa"), true},
		"behind the part":          {scan("a", "", 1), put("d"), false},
		"in an empty range":        {scan("x", "z", 0), put("y"), true},
		"stream longer":            {length, appendTo("s"), true},
		"another stream longer":    {length, appendTo("q"), false},
		"blind":                    {put("b"), put("b"), false},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			g := open(t).Group("g")
			do(t, g, "1", func(tx *mainstem.Txn) error {
				for _, k := range []string{"a", "b", "d", "e"} {
					tx.Put(k, nil)
				}
				return nil
			})
			runs := 0
			do(t, g, "2", func(tx *mainstem.Txn) error {
				must(t, c.read(tx))
				if runs++; runs == 1 {
					do(t, g, "meanwhile", c.meanwhile)
				}
				tx.Put("result", nil)
				return nil
			})
			if again := runs > 1; again != c.again {
				t.Errorf("the function ran %d times", runs)
			}
		})
	}
}
