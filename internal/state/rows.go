// Package state is the rules of Mainstem as a pure step: no clock, no
// randomness, no goroutines, no map order, no disk. State is rows, ordered by
// key. Judge reads rows and decides a transaction into effects; Admit turns
// effects into writes, when they are judged and when they are replayed alike.
// An overlay of speculative writes, a database on disk, a frozen view and a
// map in a test are all Rows to it.
package state

import "iter"

// Row is one row. Its slices are valid until the iteration goes on; they must
// not be changed.
type Row struct{ Key, Value []byte }

// Rows is an ordered set of rows, frozen for as long as it is used.
type Rows interface {
	// Get returns the value of a row, or false. The value must not be changed
	// and is valid until the next call.
	Get(key []byte) ([]byte, bool, error)
	// First returns the first row with from <= key < to, or false. The row is
	// valid until the next call.
	First(from, to []byte) (Row, bool, error)
	// Scan yields the rows with from <= key < to in ascending order.
	Scan(from, to []byte) iter.Seq2[Row, error]
	// ScanBack yields the rows with from <= key < to in descending order.
	ScanBack(from, to []byte) iter.Seq2[Row, error]
}

// Write is one change of the rows: set a key, delete a key, or delete the
// range [Key, End). Ranges are only ever deleted where no rule reads any more.
// Its slices are those of whoever made it: who is given a Write copies what is
// to outlive the call.
type Write struct {
	Key   []byte
	Value []byte
	// Delete removes Key; with End set, every key in [Key, End).
	Delete bool
	End    []byte
}
