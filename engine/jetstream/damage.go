package jetstream

import (
	"fmt"

	"github.com/mainstemdb/mainstem/journal"
)

// Damage is a slot of a stream that does not hold what was acknowledged (L12).
// errors.Is(err, journal.ErrCorrupt) holds for it.
type Damage struct {
	Stream   string // name of the stream
	Sequence uint64 // of the message, as NATS counts
	Slot     uint64 // of the log; 0 when the log has no record yet
	What     string // what is wrong
}

// Error says what is wrong, where, and what to do.
func (d *Damage) Error() string {
	return fmt.Sprintf("%v: stream %s, message %d (slot %d): %s; nothing was changed: let another replica lead the stream (nats stream cluster step-down), or restore the log from a node's copy or a backup",
		journal.ErrCorrupt, d.Stream, d.Sequence, d.Slot, d.What)
}

// Unwrap makes every Damage a journal.ErrCorrupt.
func (d *Damage) Unwrap() error { return journal.ErrCorrupt }
