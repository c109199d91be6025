package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"github.com/mainstemdb/mainstem/journal"
)

// A field is a key, the length of its value, and the value. The key is one
// uvarint: the tag times two, plus one where a reader that does not know the
// tag must stop. Keys stand in ascending order of their tags, each at most
// once, and a field that would hold its zero value is left out: so everything
// has exactly one encoding.
const must = 1

// ErrNewer marks a record that is sound but was written by a newer Mainstem:
// its format, a flag or a field that must be understood is not known here.
// Nothing is damaged; a newer program can read it.
var ErrNewer = errors.New("record: written by a newer Mainstem; upgrade this program to read it")

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: record: %s", journal.ErrCorrupt, fmt.Sprintf(format, args...))
}

// Appending. Every function leaves out a zero value and returns dst extended.

func putUint(dst []byte, key byte, v uint64) []byte {
	if v == 0 {
		return dst
	}
	dst = append(dst, key, byte(uvarintLen(v)))
	return binary.AppendUvarint(dst, v)
}

// putInt writes a signed number in the zigzag order of small magnitudes.
func putInt(dst []byte, key byte, v int64) []byte { return putUint(dst, key, zigzag(v)) }

// putFixed writes a number whose bits are all in use, such as a random one.
func putFixed(dst []byte, key byte, v uint64) []byte {
	if v == 0 {
		return dst
	}
	return binary.LittleEndian.AppendUint64(append(dst, key, 8), v)
}

func putBytes[T string | []byte](dst []byte, key byte, v T) []byte {
	if len(v) == 0 {
		return dst
	}
	dst = binary.AppendUvarint(append(dst, key), uint64(len(v)))
	return append(dst, v...)
}

// putFlag writes true as a field without a value.
func putFlag(dst []byte, key byte, v bool) []byte {
	if !v {
		return dst
	}
	return append(dst, key, 0)
}

// open begins a value whose length is not known yet, and shut ends it. One
// byte is kept for the length; a longer value moves up when it is shut, which
// costs less than measuring every value twice.
func open(dst []byte) ([]byte, int) { return append(dst, 0), len(dst) }

func shut(dst []byte, at int) []byte {
	n := len(dst) - at - 1
	if more := uvarintLen(uint64(n)) - 1; more > 0 {
		var room [binary.MaxVarintLen64]byte
		dst = append(dst, room[:more]...)
		copy(dst[at+1+more:], dst[at+1:at+1+n])
	}
	binary.PutUvarint(dst[at:], uint64(n))
	return dst
}

func uvarintLen(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

func zigzag(v int64) uint64 { return uint64(v<<1) ^ uint64(v>>63) }

func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

// Reading.

// uvarintAt is the uvarint at an offset of b, in its shortest form, and the offset behind it.
func uvarintAt(b []byte, at int) (v uint64, end int, ok bool) {
	if at < len(b) && b[at] < 1<<7 { // most are one byte
		return uint64(b[at]), at + 1, true
	}
	return longUvarintAt(b, at)
}

func longUvarintAt(b []byte, at int) (v uint64, end int, ok bool) {
	v, n := binary.Uvarint(b[at:])
	if n <= 0 || n > 1 && b[at+n-1] == 0 {
		return 0, 0, false
	}
	return v, at + n, true
}

// valueAt is where the value begins and ends whose length is at an offset of b.
func valueAt(b []byte, at int) (from, to int, ok bool) {
	n, from, ok := uvarintAt(b, at)
	if !ok || n > uint64(len(b)-from) {
		return 0, 0, false
	}
	return from, from + int(n), true
}

// fields walks a map of fields. After next has returned false, err tells
// whether all of it was well formed. Values alias the bytes that are read; the current
// one is kept as offsets, because each slice that is stored costs a write barrier.
type fields struct {
	b     []byte
	what  string // what the map describes, for errors
	known uint64 // the highest tag in use; a tag up to it has one right key
	free  uint64 // a bit for each tag below it that is not in use
	tag   uint64 // of the current field
	key   uint64
	from  int // where its value begins in b
	to    int // and ends
	err   error
}

func (f *fields) next() bool {
	if f.err != nil || f.to == len(f.b) {
		return false
	}
	key, at, ok := uvarintAt(f.b, f.to)
	if !ok || key>>1 == 0 {
		f.fail("a field has no valid tag")
		return false
	}
	from, to, ok := valueAt(f.b, at)
	if !ok {
		f.fail("field %d is cut off", key>>1)
		return false
	}
	if key>>1 <= f.tag {
		f.fail("field %d follows field %d", key>>1, f.tag)
		return false
	}
	f.key, f.tag, f.from, f.to = key, key>>1, from, to
	return true
}

// value is that of the current field.
func (f *fields) value() []byte { return f.b[f.from:f.to:f.to] }

func (f *fields) fail(format string, args ...any) {
	if f.err == nil {
		f.err = corrupt("%s: %s", f.what, fmt.Sprintf(format, args...))
	}
}

// unknown is for a key that the reader does not know.
func (f *fields) unknown() {
	switch {
	case f.tag <= f.known && f.free>>f.tag&1 == 0:
		f.fail("field %d has the wrong mark", f.tag)
	case f.key&must != 0:
		f.newer()
	}
}

// newer is for a key that only a newer reader understands.
func (f *fields) newer() {
	if f.err == nil {
		f.err = fmt.Errorf("%w (field %d of the %s)", ErrNewer, f.tag, f.what)
	}
}

// uint is a number from 1 to limit.
func (f *fields) uint(limit uint64) uint64 {
	v, end, ok := uvarintAt(f.b, f.from)
	if !ok || end != f.to || v == 0 || v > limit {
		f.fail("field %d is not a number from 1 to %d in its shortest form", f.tag, limit)
		return 0
	}
	return v
}

func (f *fields) int() int64 { return unzigzag(f.uint(1<<64 - 1)) }

func (f *fields) fixed() uint64 {
	var raw [8]byte
	f.raw(raw[:])
	return binary.LittleEndian.Uint64(raw[:])
}

// raw fills dst, which must have the length of the value.
func (f *fields) raw(dst []byte) {
	zero := byte(0)
	for _, b := range f.value() {
		zero |= b
	}
	if f.to-f.from != len(dst) || zero == 0 {
		f.fail("field %d is not %d bytes other than zero", f.tag, len(dst))
		return
	}
	copy(dst, f.value())
}

func (f *fields) bytes() []byte {
	if f.from == f.to {
		f.fail("field %d is empty", f.tag)
	}
	return f.value()
}

func (f *fields) string() string { return string(f.bytes()) }

func (f *fields) flag() bool {
	if f.from != f.to {
		f.fail("field %d has a value where none belongs", f.tag)
	}
	return true
}

// decodeList reads elements that stand one after the other, each with its
// length before it. They are counted first, so that exactly as much is
// allocated as is there.
func decodeList[T any](f *fields, decode func([]byte, *T) error) []T {
	list := make([]T, f.elements())
	fillList(f, list, decode)
	return list
}

// elements counts those of a list.
func (f *fields) elements() (n int) {
	list := f.bytes()
	for at := 0; at < len(list); n++ {
		var ok bool
		if _, at, ok = valueAt(list, at); !ok {
			f.fail("element %d of field %d is cut off", n+1, f.tag)
			return 0
		}
	}
	return n
}

func fillList[T any](f *fields, list []T, decode func([]byte, *T) error) {
	b, from, to := f.value(), 0, 0
	for i := 0; i < len(list) && f.err == nil; i++ {
		from, to, _ = valueAt(b, to)
		f.err = decode(b[from:to:to], &list[i])
	}
}

// inner takes over the error of a map inside this one.
func (f *fields) inner(err error) {
	if f.err == nil {
		f.err = err
	}
}
