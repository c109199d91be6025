package state

import (
	"bytes"
	"encoding/binary"

	"github.com/mainstemdb/mainstem"
)

// Versions of keys make most of the rows, and most of them are only there to
// be forgotten. So of those that a store writes to its tables together, a
// window, only the newest of each key takes a row in the order of names. The
// others go where windows follow each other in time: nothing is ever merged
// with them, and one range deletion forgets a window. A version says which
// window it was written with, so that a reader of the past finds the others.
// Those of one key go there in packs, several to a row: a row of its own would cost
// more to write than the version in it.
//
// Which versions fall into one window is the store's affair, and differs
// between two states of one log. A store that moves nothing is a store too.

// Prefix is what the rows of all versions of one key begin with. A row without
// versions is all of it, and reports false. Versions of a key are written in
// the order of their positions, each once, and no such prefix begins another.
func Prefix(key []byte) (prefix []byte, versioned bool) {
	if len(key) > suffix && key[0] == kindKey {
		return key[:len(key)-suffix], true
	}
	return key, false
}

// OneKey reports whether a range is of versions of one key, and of which.
func OneKey(from, to []byte) (prefix []byte, ok bool) {
	const head = 1 + 2
	n := len(to) - 1
	if n <= head || len(from) <= n || to[0] != kindKey || to[n] != 1 || from[n] != 0 || !bytes.Equal(from[:n], to[:n]) {
		return nil, false
	}
	return from[: n+1 : n+1], bytes.IndexByte(from[head:n], 0) >= 0
}

// Split is how long the name is that a row of a version begins with; every other
// key is a name as a whole. It takes any bytes, bounds of ranges too: where one
// key is before another, its name is not after the other's, which an index of
// names has to rely on.
func Split(key []byte) int {
	const head = 1 + 2
	if len(key) <= head || key[0] != kindKey {
		return len(key)
	}
	group := bytes.IndexByte(key[head:], 0)
	if group < 0 {
		return len(key)
	}
	at := head + group + 1
	name := bytes.IndexByte(key[at:], 0)
	if name < 0 {
		return len(key)
	}
	return at + name + 1
}

// PackBytes is from which size on a pack of versions is full.
const PackBytes = 4 << 10

// Window is where versions that are not the newest of their window go, as a pack
// under the key of the oldest of them; last is the newest position of the window.
func Window(b []byte, last mainstem.Position, oldest []byte) []byte {
	return append(binary.BigEndian.AppendUint64(append(b, kindHistory), uint64(last)), oldest...)
}

// Pack appends a version to a pack of newer ones.
func Pack(b []byte, version Row) []byte {
	b = append(b, version.Key[len(version.Key)-suffix:]...)
	b = binary.AppendUvarint(b, uint64(len(version.Value)))
	return append(b, version.Value...)
}

// unpack yields the versions of a pack at or before p, newest first.
func unpack(pack Row, p mainstem.Position, yield func(Row) bool) (goesOn bool, err error) {
	r := reader{b: pack.Value, bad: len(pack.Key) < 1+2*suffix || len(pack.Value) == 0}
	if r.bad {
		return false, r.end("older versions of a key")
	}
	key := bytes.Clone(pack.Key[1+suffix:])
	for len(r.b) > 0 {
		r.fill(key[len(key)-suffix:])
		value := r.bytes()
		if r.bad {
			return false, r.end("older versions of a key")
		}
		if VersionPosition(key) <= p && !yield(Row{Key: key, Value: value}) {
			return false, nil
		}
	}
	return true, nil
}

// Newest is the value of a version whose window, up to last, has others of its
// key.
func Newest(b []byte, last mainstem.Position, version Row) []byte {
	if len(version.Value) == 0 || version.Value[0] != 0 {
		return append(b, version.Value...) // damage is for readers to find
	}
	b = binary.AppendUvarint(b, uint64(last-VersionPosition(version.Key))+1)
	return append(b, version.Value[1:]...)
}

// stored is a row of a version, taken apart.
type stored struct {
	// window is the newest position of the window it was written with, if that
	// has older versions of the key; otherwise 0.
	window mainstem.Position
	// value is how Version is written.
	value []byte
}

func openVersion(row Row) stored {
	lead, size := binary.Uvarint(row.Value)
	switch {
	case size <= 0:
		return stored{}
	case lead == 0:
		return stored{value: row.Value[size:]}
	}
	return stored{window: VersionPosition(row.Key) + mainstem.Position(lead-1), value: row.Value[size:]}
}

// versionAt finds the row of the newest version at or before p of the key with
// this prefix.
func versionAt(rows Rows, prefix []byte, p mainstem.Position) (Row, bool, error) {
	row, ok, err := rows.First(versionKey(prefix, p), after(prefix))
	if err != nil {
		return Row{}, false, err
	}
	if ok {
		row = Row{Key: bytes.Clone(row.Key), Value: bytes.Clone(row.Value)}
	}
	newer, err := nextNewer(rows, prefix, p)
	if err != nil || newer == 0 {
		return row, ok, err
	}
	// The first pack with a version at or before p has the newest of them.
	pack, found, err := rows.First(Window(nil, newer, versionKey(prefix, p)), Window(nil, newer, after(prefix)))
	if err != nil || !found {
		return row, ok, err
	}
	_, err = unpack(pack, p, func(older Row) bool {
		row, ok = older, true
		return false
	})
	return row, ok, err
}

// nextNewer is the window of the first version after p that is in its place.
func nextNewer(rows Rows, prefix []byte, p mainstem.Position) (mainstem.Position, error) {
	for row, err := range rows.ScanBack(prefix, versionKey(prefix, p)) {
		if err != nil {
			return 0, err
		}
		return openVersion(row).window, nil
	}
	return 0, nil
}

// history yields the rows of all versions of a key at or before p, newest first.
func history(rows Rows, prefix []byte, p mainstem.Position, yield func(Row) bool) error {
	window, err := nextNewer(rows, prefix, p)
	if err != nil {
		return err
	}
	goesOn, err := olderOf(rows, prefix, window, p, yield)
	if err != nil || !goesOn {
		return err
	}
	for row, err := range rows.Scan(versionKey(prefix, p), after(prefix)) {
		if err != nil {
			return err
		}
		window := openVersion(row).window
		if !yield(row) {
			return nil
		}
		if goesOn, err := olderOf(rows, prefix, window, p, yield); err != nil || !goesOn {
			return err
		}
	}
	return nil
}

// olderOf yields the versions at or before p that a window has moved away.
func olderOf(rows Rows, prefix []byte, window, p mainstem.Position, yield func(Row) bool) (goesOn bool, err error) {
	if window == 0 {
		return true, nil
	}
	for pack, err := range rows.Scan(Window(nil, window, versionKey(prefix, p)), Window(nil, window, after(prefix))) {
		if err != nil {
			return false, err
		}
		if goesOn, err := unpack(pack, p, yield); err != nil || !goesOn {
			return false, err
		}
	}
	return true, nil
}

// forgetWindows deletes the windows of which no rule reads any version: all of
// them were passed, by another of their window, at or before the horizon.
func forgetWindows(horizon mainstem.Position) Write {
	return Write{Key: []byte{kindHistory}, Delete: true, End: binary.BigEndian.AppendUint64([]byte{kindHistory}, uint64(horizon)+1)}
}
