package state

import (
	"bytes"
	"encoding/binary"
	"strings"

	"github.com/mainstemdb/mainstem"
)

// The first byte of a row's key says what it holds. Kinds that belong to a
// group continue with the group's slot, so that a slot is one range per kind.
// Names contain no NUL, so NUL ends them and rows sort as names do.
const (
	// k slot group NUL name NUL ^position -> version of a key.
	kindKey = 'k'
	// v window key of a version -> that version and newer ones of its key, moved
	// there because one that is newer still, of their window, is in the key's place.
	kindHistory = 'v'
	// s slot group NUL stream NUL -> length and last position of a stream.
	kindStream = 's'
	// e slot group NUL stream NUL number -> event.
	kindEvent = 'e'
	// l slot group NUL lease NUL -> newest grant.
	kindLease = 'l'
	// p slot group NUL lease NUL -> highest foreign token presented.
	kindPresented = 'p'
	// x slot group NUL id NUL -> voided ID.
	kindVoid = 'x'
	// t until slot group NUL name NUL -> a key that may expire then.
	kindExpiry = 't'
	// i bucket hash -> receipt of a caller's ID.
	kindID = 'i'
	// f bucket hash -> attempts of an ID that were refused.
	kindRefusal = 'f'
	// m session -> a session of library-made IDs.
	kindSession = 'm'
	// n session index -> receipts that a record gave to a session.
	kindReceipts = 'n'
	// r last-position index -> where and when a record is.
	kindRecord = 'r'
	// h layout -> the tail.
	kindTail = 'h'
)

// layout is the version of everything here.
const layout = 6

const suffix = 8 // bytes of a version's or an event's number at a key's end

func groupPrefix(b []byte, kind byte, group string) []byte {
	return appendGroup(b, kind, mainstem.SlotOf(group), group)
}

func appendGroup(b []byte, kind byte, slot uint16, group string) []byte {
	b = binary.BigEndian.AppendUint16(append(b, kind), slot)
	return append(append(b, group...), 0)
}

func appendName(b []byte, kind byte, slot uint16, group, name string) []byte {
	return append(append(appendGroup(b, kind, slot, group), name...), 0)
}

// nameKey is the key, or for versions and events the prefix, of a name.
func nameKey(kind byte, group, name string) []byte {
	b := make([]byte, 0, 3+len(group)+1+len(name)+1+suffix)
	return appendName(b, kind, mainstem.SlotOf(group), group, name)
}

// versionsOf is the range of all versions of a key.
func versionsOf(group, name string) (from, to []byte) {
	n := 3 + len(group) + 1 + len(name) + 1
	from = appendName(make([]byte, 0, 2*n), kindKey, mainstem.SlotOf(group), group, name)
	to = append(from[n:n], from...)
	to[n-1] = 1
	return from[:n:n], to
}

// bound is where a name bound of a range falls among the rows of a group. A
// NUL in a bound stands for "just after the name before it".
func bound(kind byte, group, name string) []byte {
	b := groupPrefix(make([]byte, 0, 3+len(group)+1+len(name)+1), kind, group)
	if before, _, found := strings.Cut(name, "\x00"); found {
		return append(append(b, before...), 1)
	}
	return append(b, name...)
}

// upper is the end of the rows of a group where a range has no upper end.
func upper(kind byte, group, to string) []byte {
	if to != "" {
		return bound(kind, group, to)
	}
	b := groupPrefix(nil, kind, group)
	b[len(b)-1] = 1
	return b
}

// after is the end of the rows that begin with prefix, which ends in NUL.
func after(prefix []byte) []byte {
	b := bytes.Clone(prefix)
	b[len(b)-1] = 1
	return b
}

func versionKey(prefix []byte, p mainstem.Position) []byte {
	return binary.BigEndian.AppendUint64(prefix[:len(prefix):len(prefix)], ^uint64(p))
}

// VersionPosition is the position of a version whose row has this key.
func VersionPosition(key []byte) mainstem.Position {
	return mainstem.Position(^binary.BigEndian.Uint64(key[len(key)-suffix:]))
}

func eventKey(prefix []byte, number uint64) []byte {
	return binary.BigEndian.AppendUint64(prefix[:len(prefix):len(prefix)], number)
}

// names takes the group and the name out of a key of a kind that belongs to a
// group; extra is how many bytes stand between the kind and the slot, tail how
// many after the name's NUL.
func names(key []byte, extra, tail int) (group, name string, ok bool) {
	const head = 1 + 2
	if len(key) < head+extra+tail {
		return "", "", false
	}
	g, rest, found := bytes.Cut(key[head+extra:len(key)-tail], []byte{0})
	n, end, ended := bytes.Cut(rest, []byte{0})
	return string(g), string(n), found && ended && len(end) == 0
}

func expiryKey(until mainstem.LogAge, group, name string) []byte {
	b := binary.BigEndian.AppendUint64([]byte{kindExpiry}, uint64(until))
	b = binary.BigEndian.AppendUint16(b, mainstem.SlotOf(group))
	b = append(append(b, group...), 0)
	return append(append(b, name...), 0)
}

func recordKey(last mainstem.Position, index uint64) []byte {
	b := binary.BigEndian.AppendUint64([]byte{kindRecord}, uint64(last))
	return binary.BigEndian.AppendUint64(b, index)
}

func sessionKey(s mainstem.SessionID) []byte {
	return append(append(make([]byte, 0, 1+len(s)), kindSession), s[:]...)
}

func receiptsKey(s mainstem.SessionID, index uint64) []byte {
	b := append(append(make([]byte, 0, 1+len(s)+suffix+1), kindReceipts), s[:]...)
	return binary.BigEndian.AppendUint64(b, index)
}

func bucketKey(kind byte, start mainstem.LogAge) []byte {
	return binary.BigEndian.AppendUint64([]byte{kind}, uint64(start))
}

var tailKey = []byte{kindTail, layout}

func eventNumber(key []byte) uint64 { return binary.BigEndian.Uint64(key[len(key)-suffix:]) }
