package state

import (
	"encoding/binary"

	"github.com/mainstemdb/mainstem"
)

// writer appends the fields of a row's value; reader takes them off again. A
// value that does not parse is corruption: the store's checksums held, so a
// rule wrote or read it wrongly.
type writer struct{ b []byte }

func (w *writer) uint(n uint64) { w.b = binary.AppendUvarint(w.b, n) }
func (w *writer) int(n int64)   { w.b = binary.AppendVarint(w.b, n) }
func (w *writer) raw(b []byte)  { w.b = append(w.b, b...) }
func (w *writer) flag(set bool) {
	if set {
		w.b = append(w.b, 1)
	} else {
		w.b = append(w.b, 0)
	}
}

func (w *writer) bytes(b []byte) {
	w.uint(uint64(len(b)))
	w.b = append(w.b, b...)
}

func (w *writer) string(s string) {
	w.uint(uint64(len(s)))
	w.b = append(w.b, s...)
}

type reader struct {
	b   []byte
	bad bool
}

func (r *reader) uint() uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *reader) int() int64 {
	n, size := binary.Varint(r.b)
	if size <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[size:]
	return n
}

// raw takes n bytes, as a part of the row; the caller copies what it keeps.
func (r *reader) raw(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) fill(into []byte) { copy(into, r.raw(uint64(len(into)))) }
func (r *reader) flag() bool       { b := r.raw(1); return len(b) == 1 && b[0] == 1 }
func (r *reader) bytes() []byte    { return r.raw(r.uint()) }
func (r *reader) string() string   { return string(r.bytes()) }

// copied is bytes that outlive the row; none at all is nil.
func (r *reader) copied() []byte {
	b := r.bytes()
	if len(b) == 0 {
		return nil
	}
	return append([]byte(nil), b...)
}

// count takes a number of elements of at least size bytes each.
func (r *reader) count(size int) int {
	n := r.uint()
	if n > uint64(len(r.b)/size) {
		r.bad, r.b = true, nil
		return 0
	}
	return int(n)
}

// end reports whether the whole value parsed.
func (r *reader) end(what string) error {
	if r.bad || len(r.b) != 0 {
		return mainstem.Errorf(mainstem.Corrupt, "the stored row of %s does not parse (L12)", what)
	}
	return nil
}
