package state

import (
	"bytes"
	"maps"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
)

// full is a state with a row of every kind but the refusal.
func full(t judge) *world {
	w := newWorld(t)
	w.commit(time.Second, "g", mainstem.Put{Name: "k", Value: mainstem.Bytes([]byte("v")), TTL: time.Hour}, mainstem.Add{Name: "n", Delta: -3},
		mainstem.Append{Stream: "s", Events: []mainstem.Event{{Type: "e", Data: []byte("d")}}},
		mainstem.Acquire{Lease: "l", Owner: "o", TTL: time.Second}, mainstem.Present{Lease: "f", Token: 3}, mainstem.Void{ID: "x"})
	id := mainstem.ID{Session: mainstem.SessionID{7}, Number: 1, Low: 1}
	w.write(w.header(w.tail.Age), 0, []*mainstem.Transaction{{Group: "g", ID: id, Operations: []mainstem.Operation{mainstem.Delete{Name: "k"}}}})
	archived := maps.Clone(w.rows)
	archived.archive(0, w.tail.Last)
	maps.Copy(w.rows, archived.without([]byte("nmkseitlpxhrf")...))
	return w
}

// decoders are all ways from stored bytes to values. Each gives the value, and
// where there is an encoder its bytes.
var decoders = map[byte]func(key, value []byte) (any, []byte, error){
	kindKey: func(key, value []byte) (any, []byte, error) {
		if len(key) < suffix {
			return nil, nil, errShort
		}
		v, err := readVersion("n", Row{Key: key, Value: value})
		if !v.Exists {
			return v, []byte{0, versionDeleted}, err
		}
		return v, written(v.Value, v.Until), err
	},
	kindHistory: func(key, value []byte) (any, []byte, error) {
		var versions []Row
		var again []byte
		_, err := unpack(Row{Key: key, Value: value}, math.MaxUint64, func(v Row) bool {
			v.Key = bytes.Clone(v.Key)
			versions, again = append(versions, v), Pack(again, v)
			return true
		})
		return versions, again, err
	},
	kindStream: func(_, value []byte) (any, []byte, error) {
		h, err := decodeStream("s", value)
		var w writer
		w.uint(h.length)
		w.uint(uint64(h.last))
		return h, w.b, err
	},
	kindEvent: func(key, value []byte) (any, []byte, error) {
		if len(key) < suffix {
			return nil, nil, errShort
		}
		e, err := readEvent("s", Row{Key: key, Value: value})
		var w writer
		w.uint(uint64(e.Position))
		w.string(e.Type)
		w.bytes(e.Data)
		return e, w.b, err
	},
	kindLease: func(_, value []byte) (any, []byte, error) {
		l, err := readLease(mapRows{string(nameKey(kindLease, "g", "l")): string(value)}, "g", "l")
		var w writer
		w.string(l.Owner)
		w.uint(uint64(l.Token))
		w.uint(uint64(l.Until))
		w.flag(l.Released)
		return l, w.b, err
	},
	kindID: func(_, value []byte) (any, []byte, error) {
		row, err := decodeID(value, mainstem.ID{Opaque: "i"})
		var w writer
		row.write(&w)
		return row, w.b, err
	},
	kindSession: func(_, value []byte) (any, []byte, error) {
		s, err := readSession(mapRows{string(sessionKey(mainstem.SessionID{1})): string(value)}, mainstem.SessionID{1})
		return s, s.encode(), err
	},
	kindRecord: func(key, value []byte) (any, []byte, error) {
		p, err := decodePlace(Row{Key: key, Value: value})
		return p, p.encode(), err
	},
	kindTail: func(_, value []byte) (any, []byte, error) {
		t, err := LoadTail(mapRows{string(tailKey): string(value)})
		if err != nil {
			return nil, nil, err
		}
		return *t, t.encode(), err
	},
}

var errShort = mainstem.Errorf(mainstem.Corrupt, "short key")

// FuzzStoredRows: any bytes at all are read as a value or as Corrupt, without
// a panic and without an allocation that the bytes do not justify; a value
// that was read is written and read the same (L12).
func FuzzStoredRows(f *testing.F) {
	w := full(f)
	for _, key := range slices.Sorted(maps.Keys(w.rows)) {
		f.Add([]byte(key), []byte(w.rows[key]))
		f.Add([]byte(key), []byte(w.rows[key]+"\xff"))
		f.Add([]byte(key), append([]byte(w.rows[key]), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1))
	}
	f.Fuzz(func(t *testing.T, key, value []byte) {
		if len(key) == 0 || decoders[key[0]] == nil {
			return
		}
		decode := decoders[key[0]]
		v, again, err := decode(key, value)
		if err != nil {
			if mainstem.CodeOf(err) != mainstem.Corrupt {
				t.Fatalf("error %v, want one of code corrupt (L12)", err)
			}
			return
		}
		if second, _, err := decode(key, again); err != nil || !reflect.DeepEqual(v, second) {
			t.Fatalf("read %+v, wrote it, and read %+v, %v (L12)", v, second, err)
		}
	})
}

// TestEveryRowIsReadBackAsItIs: the encoders have no slack; a row with one
// byte more or less is Corrupt, never another value of the same length.
func TestEveryRowIsReadBackAsItIs(t *testing.T) {
	w := full(t)
	seen := map[byte]bool{}
	for _, key := range slices.Sorted(maps.Keys(w.rows)) {
		decode, value := decoders[key[0]], []byte(w.rows[key])
		if decode == nil {
			continue
		}
		seen[key[0]] = true
		_, again, err := decode([]byte(key), value)
		if err != nil || string(again) != string(value) {
			t.Errorf("%s: %v; written again it is %x, not %x", describe([]byte(key), value, false), err, again, value)
		}
		for n := range value {
			if _, _, err := decode([]byte(key), value[:n]); mainstem.CodeOf(err) != mainstem.Corrupt {
				t.Errorf("%s, cut to %d of %d bytes: %v, want corrupt (L12)", describe([]byte(key), value, false), n, len(value), err)
			}
		}
		if _, _, err := decode([]byte(key), append(value, 0)); mainstem.CodeOf(err) != mainstem.Corrupt {
			t.Errorf("%s, with a byte more: %v, want corrupt (L12)", describe([]byte(key), value, false), err)
		}
	}
	if len(seen) != len(decoders) {
		t.Errorf("rows of %d kinds were read, there are decoders for %d", len(seen), len(decoders))
	}
}

func written(v mainstem.Value, until mainstem.LogAge) []byte {
	var w writer
	writeVersion(&w, v, until)
	return w.b
}
