package file

import (
	"fmt"

	"github.com/mainstemdb/mainstem/journal"
)

// Damage is a place where the stored bytes are not what was acknowledged (L12).
// errors.Is(err, journal.ErrCorrupt) holds for it.
type Damage struct {
	Segment uint64 // id of the segment; 0 when the damage is outside of one
	File    string // name of the file
	Offset  int64  // in bytes, within the file
	Index   uint64 // first index that is affected
	What    string // what is wrong
}

// Error says what is wrong, where, and what to do.
func (d *Damage) Error() string {
	return fmt.Sprintf("%v: segment %d (%s), offset %d, index %d: %s; nothing was changed: keep this directory, and restore the log from another copy or a backup",
		journal.ErrCorrupt, d.Segment, d.File, d.Offset, d.Index, d.What)
}

// Unwrap makes every Damage a journal.ErrCorrupt.
func (d *Damage) Unwrap() error { return journal.ErrCorrupt }
