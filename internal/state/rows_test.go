package state

import (
	"bytes"
	"iter"
	"maps"
	"slices"

	"github.com/mainstemdb/mainstem"
)

// mapRows are rows in a map: the plainest Rows there is.
type mapRows map[string]string

var _ Rows = mapRows{}

func (m mapRows) Get(key []byte) ([]byte, bool, error) {
	value, ok := m[string(key)]
	return []byte(value), ok, nil
}

func (m mapRows) First(from, to []byte) (Row, bool, error) {
	for row, err := range m.Scan(from, to) {
		return row, true, err
	}
	return Row{}, false, nil
}

func (m mapRows) Scan(from, to []byte) iter.Seq2[Row, error] {
	return m.rows(slices.Sorted(m.between(from, to)))
}

func (m mapRows) ScanBack(from, to []byte) iter.Seq2[Row, error] {
	keys := slices.Sorted(m.between(from, to))
	slices.Reverse(keys)
	return m.rows(keys)
}

func (m mapRows) between(from, to []byte) iter.Seq[string] {
	return func(yield func(string) bool) {
		for key := range m {
			if key >= string(from) && key < string(to) && !yield(key) {
				return
			}
		}
	}
}

func (m mapRows) rows(keys []string) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for _, key := range keys {
			if !yield(Row{Key: []byte(key), Value: []byte(m[key])}, nil) {
				return
			}
		}
	}
}

// apply does what a store does with the writes of one record.
func (m mapRows) apply(writes []Write) {
	for _, w := range writes {
		switch {
		case w.End != nil:
			maps.DeleteFunc(m, func(key, _ string) bool {
				return bytes.Compare([]byte(key), w.Key) >= 0 && bytes.Compare([]byte(key), w.End) < 0
			})
		case w.Delete:
			delete(m, string(w.Key))
		default:
			m[string(w.Key)] = string(w.Value)
		}
	}
}

// without is the rows but those of some kinds.
func (m mapRows) without(kinds ...byte) mapRows {
	rest := maps.Clone(m)
	maps.DeleteFunc(rest, func(key, _ string) bool { return slices.Contains(kinds, key[0]) })
	return rest
}

// archive does what a store may do at any time with the versions after one
// position and up to another: it keeps the newest of each key in its place.
func (m mapRows) archive(after, last mainstem.Position) {
	var newest, pack string
	var packed []byte
	for _, key := range slices.Sorted(maps.Keys(m)) {
		prefix, versioned := Prefix([]byte(key))
		if p := versionPositionOf(key, versioned); p <= after || p > last {
			continue
		}
		if before, _ := Prefix([]byte(newest)); newest != "" && bytes.Equal(before, prefix) {
			if VersionPosition([]byte(key))%3 == 0 {
				pack, packed = "", nil // as if it were full
			}
			delete(m, pack)
			packed = Pack(packed, Row{Key: []byte(key), Value: []byte(m[key])})
			pack = string(Window(nil, last, []byte(key)))
			m[pack] = string(packed)
			delete(m, key)
			if m[newest][0] == 0 {
				m[newest] = string(Newest(nil, last, Row{Key: []byte(newest), Value: []byte(m[newest])}))
			}
			continue
		}
		newest, pack, packed = key, "", nil
	}
}

func versionPositionOf(key string, versioned bool) mainstem.Position {
	if !versioned {
		return 0
	}
	return VersionPosition([]byte(key))
}
