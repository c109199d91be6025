package mainstem

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"strings"
)

// Token says what a client has seen: per partition and incarnation a position,
// with four bytes of the chain hash at it, so that a history which was lost
// and overwritten is noticed. Tokens are values: they merge, compare, and
// travel as short strings. The zero Token has seen nothing.
type Token struct{ marks string } // sorted marks, fixed width, so that tokens compare with ==

// Mark is what a token has seen of one partition in one incarnation.
type Mark struct {
	Partition   int
	Incarnation Incarnation
	Position    Position
	// Hash is the first four bytes of the hash of the record that holds Position.
	Hash uint32
}

const (
	markSize     = 4 + 8 + 8 + 4
	tokenVersion = 1
	// LimitMarks is the most marks a token carries.
	LimitMarks = 8192
)

// NewToken makes a token of marks; of several for one partition and
// incarnation the highest position counts.
func NewToken(marks ...Mark) Token {
	if len(marks) > 1 {
		marks = slices.Clone(marks)
		slices.SortFunc(marks, compareMarks)
	}
	b := make([]byte, 0, len(marks)*markSize)
	for i, m := range marks {
		same := i+1 < len(marks) && marks[i+1].Partition == m.Partition && marks[i+1].Incarnation == m.Incarnation
		if same || m.Position == 0 {
			continue
		}
		b = binary.BigEndian.AppendUint32(b, uint32(m.Partition))
		b = binary.BigEndian.AppendUint64(b, uint64(m.Incarnation))
		b = binary.BigEndian.AppendUint64(b, uint64(m.Position))
		b = binary.BigEndian.AppendUint32(b, m.Hash)
	}
	return Token{marks: string(b)}
}

func compareMarks(a, b Mark) int {
	switch {
	case a.Partition != b.Partition:
		return a.Partition - b.Partition
	case a.Incarnation != b.Incarnation:
		return order(a.Incarnation, b.Incarnation)
	case a.Position != b.Position:
		return order(a.Position, b.Position)
	default:
		return order(a.Hash, b.Hash)
	}
}

func order[T ~uint32 | ~uint64](a, b T) int {
	if a < b {
		return -1
	}
	if a > b {
		return 1
	}
	return 0
}

// Marks lists what the token has seen, by partition and incarnation.
func (t Token) Marks() []Mark {
	marks := make([]Mark, 0, len(t.marks)/markSize)
	for b := []byte(t.marks); len(b) >= markSize; b = b[markSize:] {
		marks = append(marks, Mark{
			Partition:   int(binary.BigEndian.Uint32(b)),
			Incarnation: Incarnation(binary.BigEndian.Uint64(b[4:])),
			Position:    Position(binary.BigEndian.Uint64(b[12:])),
			Hash:        binary.BigEndian.Uint32(b[20:]),
		})
	}
	return marks
}

// Merge is the token that has seen what either has seen.
func (t Token) Merge(o Token) Token {
	switch {
	case t.marks == o.marks, o.marks == "":
		return t
	case t.marks == "":
		return o
	}
	return NewToken(append(t.Marks(), o.Marks()...)...)
}

// covers reports whether t, the token of a view, has seen all that o has seen
// of the partitions that t names: a view of one group names one partition. A
// token that names none covers only the zero Token.
func (t Token) covers(o Token) bool {
	marks := t.Marks()
	for _, seen := range o.Marks() {
		for _, m := range marks {
			if m.Partition == seen.Partition && m.Incarnation == seen.Incarnation && m.Position < seen.Position {
				return false
			}
		}
	}
	return len(marks) > 0 || o.IsZero()
}

// IsZero reports whether the token has seen nothing.
func (t Token) IsZero() bool { return t.marks == "" }

// String is the token as URL-safe text: version, marks, CRC-32C, in unpadded
// base64 (RFC 4648, section 5). The zero Token is the empty string.
func (t Token) String() string {
	if t.marks == "" {
		return ""
	}
	b := make([]byte, 0, 1+len(t.marks)+4)
	b = append(append(b, tokenVersion), t.marks...)
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	return base64.RawURLEncoding.EncodeToString(b)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ParseToken reads what String wrote, and nothing else: one token has exactly
// one text.
func ParseToken(text string) (Token, error) {
	if text == "" {
		return Token{}, nil
	}
	bad := func(why string) (Token, error) {
		return Token{}, Errorf(Invalid, "token of %d characters %s", len(text), why)
	}
	if len(text) > base64.RawURLEncoding.EncodedLen(1+LimitMarks*markSize+4) {
		return bad("is longer than any token")
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < 1+markSize+4 || (len(b)-5)%markSize != 0 {
		return bad("is cut off or is not a token")
	}
	body, sum := b[:len(b)-4], binary.BigEndian.Uint32(b[len(b)-4:])
	if body[0] != tokenVersion {
		return bad("is of a version that this program does not know")
	}
	if crc32.Checksum(body, castagnoli) != sum {
		return bad("is damaged")
	}
	// The decoder of base64 passes over line breaks.
	if strings.ContainsAny(text, "\r\n") || !inOrder(body[1:]) {
		return bad("is not in its one written form")
	}
	return Token{marks: string(body[1:])}, nil
}

// inOrder reports whether marks are as NewToken leaves them: by partition and
// incarnation, one for each, none at position 0.
func inOrder(marks []byte) bool {
	const place = 4 + 8
	for i := 0; i < len(marks); i += markSize {
		if binary.BigEndian.Uint64(marks[i+place:]) == 0 {
			return false
		}
		if i > 0 && bytes.Compare(marks[i-markSize:i-markSize+place], marks[i:i+place]) >= 0 {
			return false
		}
	}
	return true
}

// MarshalText is String.
func (t Token) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText is ParseToken.
func (t *Token) UnmarshalText(text []byte) error {
	parsed, err := ParseToken(string(text))
	if err == nil {
		*t = parsed
	}
	return err
}
