package mainstem

import (
	"errors"
	"fmt"
	"strings"
)

// Code says what kind of error an Error is. The set is closed.
type Code uint8

// The codes. Each says whether the transaction can have committed and whether
// repeating helps.
const (
	// Conflict: a condition did not hold. Nothing was written. Read again and
	// decide anew.
	Conflict Code = iota + 1
	// Held: the lease is held by somebody else. Nothing was written.
	Held
	// Fenced: the token presented is older than one already seen, or its lease
	// was released. Nothing was written; stop acting under that lease.
	Fenced
	// Exists: the key or the committed ID is already there. Nothing was written.
	Exists
	// InProgress: another attempt under the same ID is running. Repeat later.
	InProgress
	// RetryTransaction: the surrounding SQL transaction must be run again.
	RetryTransaction
	// Weak: a setting weakens the promise and was not accepted.
	Weak
	// Stopped: this database is closed or stopped itself. Reopen it.
	Stopped
	// Cancelled: the ID was voided, or the attempt was superseded, or the
	// caller gave up before anything was sent. This attempt never commits.
	Cancelled
	// OutOfRange: an addition would pass its floor, its ceiling, or 64 bits.
	// Nothing was written.
	OutOfRange
	// WrongGroup: the call names a group that this transaction, session or
	// node does not serve.
	WrongGroup
	// IDReused: the ID committed with another request fingerprint.
	IDReused
	// TooOld: the ID is beyond the age for which IDs are kept, or the request's
	// deadline has passed. It was not run.
	TooOld
	// Trimmed: what the call needs is no longer kept in history.
	Trimmed
	// TooLarge: a stated limit on size or count is exceeded.
	TooLarge
	// Overloaded: a queue or an admission limit is full. Nothing was written;
	// repeat after a pause.
	Overloaded
	// Undecided: the transaction may or may not have committed. Repeat it with
	// the same ID: it then commits once, or returns its first receipt.
	Undecided
	// Corrupt: stored data failed a check (L12). The partition has stopped.
	Corrupt
	// Unavailable: not now. Nothing was promised on it; repeat.
	Unavailable
	// HistoryLost: the token names a history that this database does not have,
	// for example from before a restore.
	HistoryLost
	// Denied: the caller has no right to this.
	Denied
	// Invalid: the call itself is wrong; repeating it cannot help.
	Invalid
)

// codes holds, per code, its stable name and what to do.
var codes = [...]struct{ name, advice string }{
	Conflict:         {"conflict", "read again and decide anew"},
	Held:             {"held", "wait for the holder to release it or for the lease to expire"},
	Fenced:           {"fenced", "stop acting under this lease; acquire it again"},
	Exists:           {"exists", "read what is there before deciding"},
	InProgress:       {"in_progress", "repeat later with the same ID"},
	RetryTransaction: {"retry_transaction", "roll back and run the whole transaction again"},
	Weak:             {"weak", "strengthen the setting, or accept the weaker promise by name"},
	Stopped:          {"stopped", "open the database again"},
	Cancelled:        {"cancelled", "this attempt never commits; use a new ID if the work is still wanted"},
	OutOfRange:       {"out_of_range", "the bound would be passed; nothing was written"},
	WrongGroup:       {"wrong_group", "one transaction works in one group"},
	IDReused:         {"id_reused", "use a new ID for a new request"},
	TooOld:           {"too_old", "find out by reading whether it happened; then use a new ID"},
	Trimmed:          {"trimmed", "start again from a newer point"},
	TooLarge:         {"too_large", "split it, or store the large part elsewhere and keep a reference"},
	Overloaded:       {"overloaded", "repeat after a pause"},
	Undecided:        {"undecided", "repeat with the same ID"},
	Corrupt:          {"corrupt", "keep the files as they are and see the runbook page for corrupt"},
	Unavailable:      {"unavailable", "repeat after a pause"},
	HistoryLost:      {"history_lost", "discard the token and read afresh"},
	Denied:           {"denied", "ask for the right"},
	Invalid:          {"invalid", "correct the call"},
}

// String is the code's stable name, as it stands in JSON.
func (c Code) String() string {
	if c == 0 || int(c) >= len(codes) {
		return fmt.Sprintf("code(%d)", uint8(c))
	}
	return codes[c].name
}

// MarshalText writes the stable name.
func (c Code) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads a stable name; an unknown one is an error.
func (c *Code) UnmarshalText(text []byte) error {
	for i := range codes {
		if i > 0 && codes[i].name == string(text) {
			*c = Code(i)
			return nil
		}
	}
	return Errorf(Invalid, "no error code is called %q", text)
}

// Retryable reports whether the same request, with the same ID, may succeed
// when it is sent again unchanged.
func (c Code) Retryable() bool {
	switch c {
	case InProgress, Overloaded, Undecided, Unavailable, Held:
		return true
	default:
		return false
	}
}

// Error is the one error type of Mainstem. Use CodeOf, or errors.As.
type Error struct {
	Code Code
	// Message says what happened and where.
	Message string
	// Condition is the number, from 1, of the condition or operation that
	// failed (conditions first); 0 when the error is about neither.
	Condition int
	// Advice says what to do; empty means the code's general advice.
	Advice string
	// Cause is what was underneath, if anything was.
	Cause error
}

// Errorf makes an Error with a formatted message; %w sets its cause. A message that
// ends with a cause of the same code does not say the code again.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	e := &Error{Code: code, Message: err.Error(), Cause: errors.Unwrap(err)}
	var cause *Error
	if errors.As(e.Cause, &cause) && cause.Code == code {
		if before, ok := strings.CutSuffix(e.Message, cause.Error()); ok {
			e.Message = before + cause.said()
		}
	}
	return e
}

// Error is the code, what happened, where, and what to do, on one line.
func (e *Error) Error() string { return e.Code.String() + ": " + e.said() }

// said is all of Error but the code.
func (e *Error) said() string {
	var b strings.Builder
	b.WriteString(e.Message)
	if e.Condition > 0 {
		fmt.Fprintf(&b, " (condition %d)", e.Condition)
	}
	if !e.advised() {
		b.WriteString("; ")
		b.WriteString(e.Help())
	}
	return b.String()
}

// advised reports whether the message ends with that of a cause of the same
// code, and so has said already what to do.
func (e *Error) advised() bool {
	var cause *Error
	return e.Advice == "" && errors.As(e.Cause, &cause) && cause.Code == e.Code && strings.HasSuffix(e.Message, cause.said())
}

// Help is what to do about it.
func (e *Error) Help() string {
	if e.Advice != "" {
		return e.Advice
	}
	if e.Code == 0 || int(e.Code) >= len(codes) {
		return "report this"
	}
	return codes[e.Code].advice
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is makes errors.Is(err, &Error{Code: c}) compare codes alone.
func (e *Error) Is(target error) bool {
	var other *Error
	return errors.As(target, &other) && other.Code == e.Code && other.Message == ""
}

// CodeOf is the code of the first Error in err's chain, or 0.
func CodeOf(err error) Code {
	if err == nil {
		return 0
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

// Codes lists every code, for tables and tests.
func Codes() []Code {
	all := make([]Code, 0, len(codes)-1)
	for i := 1; i < len(codes); i++ {
		all = append(all, Code(i))
	}
	return all
}
