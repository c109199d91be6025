package record

import "fmt"

// The version of a record names three things at once: its format, the rules by
// which it is applied, and the digest over what comes of it. The version in force
// is that of the newest record: it never falls along a chain, and the first record
// of a higher one is what puts that in force.
//
//	1  the first
//	2  a record can name the node that is to write next (Header.Successor)
const (
	// Oldest is the first version. What was ever written stays readable, so every
	// program knows all versions from it to its own Newest.
	Oldest = 1
	// First is what a new database begins with. A higher version is put in force by
	// an operator's word, once every node knows it.
	First = 1

	handsOver = 2 // since when there is Header.Successor
)

// HandsOver reports whether records of a version can name a successor.
func HandsOver(version uint8) bool { return version >= handsOver }

// newer says that a record is of a version beyond this program's.
func newer(version uint8) error {
	return fmt.Errorf("%w (it is of version %d; this program knows %d to %d)", ErrNewer, version, Oldest, Newest)
}
