package mainstem

import "time"

// Consistency is what a read asks for; it gets at least that, or an error
// (L8). There is no default: the zero Consistency is Invalid.
type Consistency struct {
	Level     Level
	Token     Token
	Staleness time.Duration
	Position  Position
	Time      time.Time
}

// Level names a consistency.
type Level uint8

// The levels. See the functions of the same names.
const (
	LevelLatest Level = iota + 1
	LevelAtLeast
	LevelWithin
	LevelAsOf
	LevelAsOfTime
	LevelLocal
)

// Latest is linearizable per partition (Herlihy and Wing, 1990): the view has
// everything acknowledged, to anybody, before the call. Over several
// partitions it is a vector of such points, not one cut.
func Latest() Consistency { return Consistency{Level: LevelLatest} }

// AtLeast has everything that the token has seen: session guarantees (Terry
// et al., 1994). A replica that is behind waits for it, until the context ends.
// A token of a history that this database does not have, or of a position
// beyond the end of its incarnation, is HistoryLost.
func AtLeast(t Token) Consistency { return Consistency{Level: LevelAtLeast, Token: t} }

// Within is at most this stale, by proof: the tail is confirmed after the
// request arrived, or was so at most this long before.
func Within(staleness time.Duration) Consistency {
	return Consistency{Level: LevelWithin, Staleness: staleness}
}

// AsOf is the state just after the transaction at this position of the
// partition. Keys and streams only; Trimmed when history no longer has it,
// HistoryLost when it lies in the future.
func AsOf(p Position) Consistency { return Consistency{Level: LevelAsOf, Position: p} }

// AsOfTime is the state at the last position whose recorded wall time is
// strictly before t.
func AsOfTime(t time.Time) Consistency { return Consistency{Level: LevelAsOfTime, Time: t} }

// Local is whatever this replica has. The view's Stamp says how old it is
// known to be.
func Local() Consistency { return Consistency{Level: LevelLocal} }
