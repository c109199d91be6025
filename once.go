package mainstem

import (
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"strings"
)

// SessionID names one client's run of library-made IDs. It is random.
type SessionID [16]byte

// ID is a transaction's identity: within its group it commits once (L5).
//
// It is either the caller's own (Opaque) or library-made (Session, Number),
// never both. The zero ID asks the outermost Backend to make one.
type ID struct {
	// Opaque is the caller's own ID: valid UTF-8 without NUL, at most
	// LimitName bytes, not beginning with "~".
	Opaque string
	// Born is the log age at which the ID was handed out, kept by every retry; 0
	// when not carried. With it, an ID older than the age for which IDs are kept
	// is refused as too old, never run again. Without it such an ID can run
	// again. Library-made IDs carry it.
	Born LogAge

	// Session and Number identify a library-made ID. Numbers start at 1.
	Session SessionID
	Number  uint64
	// Low is the lowest number of the session that is still outstanding:
	// receipts below it are no longer kept.
	Low uint64
}

// IsZero reports whether no ID was given.
func (id ID) IsZero() bool { return id.Opaque == "" && id.Number == 0 }

// String is the form that stands in feeds, commands and JSON: the opaque ID
// itself, or "~SESSION.NUMBER" for a library-made one.
func (id ID) String() string {
	if id.Opaque != "" || id.Number == 0 {
		return id.Opaque
	}
	var room [madeText]byte
	return string(id.appendMade(room[:0]))
}

// sessionText is how long a session is in text, and madeText how long a library-made ID
// can be.
const (
	sessionText = (8*len(SessionID{}) + 5) / 6
	madeText    = len("~.") + sessionText + len("18446744073709551615")
)

var sessionBase64 = base64.RawURLEncoding.Strict()

func (id ID) appendMade(b []byte) []byte {
	b = sessionBase64.AppendEncode(append(b, '~'), id.Session[:])
	return strconv.AppendUint(append(b, '.'), id.Number, 10)
}

// ParseID reads what String wrote. Born and Low are not part of that form.
func ParseID(text string) (ID, error) {
	rest, made := strings.CutPrefix(text, "~")
	if !made {
		id := ID{Opaque: text}
		return id, id.validateOpaque()
	}
	session, number, ok := strings.Cut(rest, ".")
	id := ID{Low: 1}
	n, err := strconv.ParseUint(number, 10, 64)
	if id.Number = n; ok && err == nil && len(session) == sessionText {
		_, err = sessionBase64.Decode(id.Session[:], []byte(session))
	}
	if !ok || err != nil || len(session) != sessionText || n == 0 {
		return ID{}, Errorf(Invalid, "ID %q begins with ~ but is not ~SESSION.NUMBER as the library writes it", text)
	}
	var room [madeText]byte
	if string(id.appendMade(room[:0])) != text { // leading zeros: one ID would have two texts
		return ID{}, Errorf(Invalid, "ID %q is not in its one written form %q", text, id)
	}
	return id, nil
}

// Validate reports the first rule that the ID breaks.
func (id ID) Validate() error {
	switch {
	case id.Opaque != "" && (id.Number != 0 || id.Session != SessionID{}):
		return Errorf(Invalid, "ID %q is both the caller's own and library-made", id.Opaque)
	case id.Opaque != "" && strings.HasPrefix(id.Opaque, "~"):
		return Errorf(Invalid, "ID %q begins with ~, which marks library-made IDs", id.Opaque)
	case id.Born < 0:
		return Errorf(Invalid, "ID %s was born at log age %s, before the log", id, id.Born)
	case id.Opaque != "":
		return CheckName("ID", id.Opaque)
	case id.Number != 0 && (id.Low == 0 || id.Low > id.Number):
		return Errorf(Invalid, "ID %s has lowest outstanding number %d, outside 1..%d", id, id.Low, id.Number)
	}
	return nil
}

// EffectID is the ID for a transaction in another group that is an effect of
// the change at the given place: the same change always has the same one, so
// the effect commits once however often the change is delivered (L9). No two
// different inputs give the same ID.
func EffectID(follower string, i Incarnation, partition int, p Position) string {
	var place [20]byte
	binary.BigEndian.PutUint64(place[:8], uint64(i))
	binary.BigEndian.PutUint32(place[8:12], uint32(partition))
	binary.BigEndian.PutUint64(place[12:], uint64(p))
	return "effect." + base64.RawURLEncoding.EncodeToString(place[:]) + "." + follower
}
