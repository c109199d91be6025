package wire

import (
	"strconv"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/mainstemdb/mainstem"
)

// text is bytes as text, where they are valid UTF-8: JSON then shows them as
// they are. The contract has two forms for everything that is bytes.
func text(b []byte) (string, bool) {
	if !utf8.Valid(b) {
		return "", false
	}
	return string(b), true
}

// some is bytes that were given: not nil, even if there are none.
func some(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// stamp is a wall time; the zero time is left out.
func stamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// wall reads what stamp wrote, in UTC.
func wall(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

func incarnation(hex string) (mainstem.Incarnation, error) {
	if hex == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(hex, 16, 64)
	if err != nil {
		return 0, mainstem.Errorf(mainstem.Invalid, "incarnation %q is not a hexadecimal number of at most 64 bits", hex)
	}
	return mainstem.Incarnation(n), nil
}

// hex is an incarnation as it stands in messages.
func hex(i mainstem.Incarnation) string {
	const zeros = "0000000000000000"
	digits := strconv.FormatUint(uint64(i), 16)
	return zeros[len(digits):] + digits
}

// identity reads an ID and what travels beside it. An ID without text is none,
// and has nothing beside it.
func identity(name string, born int64, low uint64) (mainstem.ID, error) {
	if name == "" {
		if born != 0 || low != 0 {
			return mainstem.ID{}, mainstem.Errorf(mainstem.Invalid, "born and low belong to an ID, and there is none")
		}
		return mainstem.ID{}, nil
	}
	id, err := mainstem.ParseID(name)
	if err != nil {
		return mainstem.ID{}, err
	}
	id.Born = mainstem.LogAge(born)
	if low != 0 {
		id.Low = low
	}
	return id, id.Validate()
}
