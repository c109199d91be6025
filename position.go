package mainstem

import (
	"fmt"
	"strconv"
	"time"
)

// Position is a transaction's place in the total order of its partition (L1).
// Positions start at 1 and are dense within an incarnation; 0 means "before
// everything". In JSON a position is a string, because JavaScript's numbers
// end at 2^53.
type Position uint64

// MarshalText writes the position in decimal.
func (p Position) MarshalText() ([]byte, error) { return strconv.AppendUint(nil, uint64(p), 10), nil }

// UnmarshalText reads a decimal position.
func (p *Position) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil {
		return Errorf(Invalid, "position %q is not a decimal number of at most 64 bits", text)
	}
	*p = Position(n)
	return nil
}

// String is the position in decimal.
func (p Position) String() string { return strconv.FormatUint(uint64(p), 10) }

// Incarnation names one unbroken history of a database. A restore draws a new
// random one and skips at least 2^40 positions (L1).
type Incarnation uint64

// MarshalText writes sixteen hex digits.
func (i Incarnation) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%016x", uint64(i)), nil }

// UnmarshalText reads what MarshalText wrote.
func (i *Incarnation) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 16, 64)
	if err != nil {
		return Errorf(Invalid, "incarnation %q is not a hexadecimal number of at most 64 bits", text)
	}
	*i = Incarnation(n)
	return nil
}

// LogAge is the time, in nanoseconds, that a partition's log has lived, as its
// records tell it (L6). It never runs backwards and is never faster than real
// time; wall clocks do not touch it while a writer runs.
type LogAge int64

// MarshalText writes nanoseconds in decimal.
func (a LogAge) MarshalText() ([]byte, error) { return strconv.AppendInt(nil, int64(a), 10), nil }

// UnmarshalText reads nanoseconds in decimal.
func (a *LogAge) UnmarshalText(text []byte) error {
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return Errorf(Invalid, "log age %q is not a decimal number of nanoseconds", text)
	}
	*a = LogAge(n)
	return nil
}

// Add is the age d later.
func (a LogAge) Add(d time.Duration) LogAge { return a + LogAge(d) }

// Sub is the time between two ages of one partition.
func (a LogAge) Sub(b LogAge) time.Duration { return time.Duration(a - b) }

// String is the age as a duration.
func (a LogAge) String() string { return time.Duration(a).String() }

// FencingToken orders the grants of one lease: a later grant has a higher
// token (Lamport's monotonic guard; Kleppmann, "How to do distributed
// locking", 2016). In JSON it is a string.
type FencingToken uint64

// MarshalText writes the token in decimal.
func (t FencingToken) MarshalText() ([]byte, error) {
	return strconv.AppendUint(nil, uint64(t), 10), nil
}

// UnmarshalText reads a decimal token.
func (t *FencingToken) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil {
		return Errorf(Invalid, "fencing token %q is not a decimal number of at most 64 bits", text)
	}
	*t = FencingToken(n)
	return nil
}
