package record

import (
	"math"

	"github.com/mainstemdb/mainstem/journal"
)

// LimitURL is the most bytes of the URL of a log that a database moves to.
const LimitURL = 1024

// Target is the log that a database moves to. It holds a copy of the records
// behind its base, byte for byte.
type Target struct {
	// Generation is the log's own UUID; the records that follow the move carry it.
	Generation UUID
	// URL says to nodes where the log is. There is no secret in it.
	URL string
	// Base and BaseHash are the index and the hash of the record before the first
	// that the log holds; zero when it holds the chain from its beginning.
	Base     uint64
	BaseHash journal.Hash
	// Pace is how long a node is to let pass from one record to the next, in
	// nanoseconds, while the copy catches up: more transactions go into each.
	Pace int64
}

// broken says which invariant of the target does not hold, if any.
func (t *Target) broken() string {
	switch {
	case t == nil:
	case t.Generation == UUID{}:
		return "names a log without a generation"
	case t.URL == "" || len(t.URL) > LimitURL:
		return "names a log by a URL that is empty or longer than 1,024 bytes"
	case (t.Base == 0) != (t.BaseHash == journal.Hash{}):
		return "names the base of a log by half"
	case t.Pace < 0:
		return "has a pace below zero"
	}
	return ""
}

func appendTarget(b []byte, t *Target) []byte {
	b = putUUID(b, targetGeneration, &t.Generation)
	b = putBytes(b, targetURL, t.URL)
	b = putUint(b, targetBase, t.Base)
	if t.BaseHash != (journal.Hash{}) {
		b = putBytes(b, targetBaseHash, t.BaseHash[:])
	}
	return putUint(b, targetPace, uint64(t.Pace))
}

func decodeTarget(b []byte, t *Target) error {
	f := fields{b: b, what: "target of a move", known: targetKnown}
	for f.next() {
		switch f.key {
		case targetGeneration:
			f.raw(t.Generation[:])
		case targetURL:
			t.URL = f.string()
		case targetBase:
			t.Base = f.uint(math.MaxUint64)
		case targetBaseHash:
			f.raw(t.BaseHash[:])
		case targetPace:
			t.Pace = int64(f.uint(math.MaxInt64))
		default:
			f.unknown()
		}
	}
	return f.err
}
