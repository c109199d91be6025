package pg

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
)

// seen is a place in a server's write-ahead log, and the life of the server in
// which the place means something: a promotion begins another timeline, which may
// lack the end of the one before.
type seen struct {
	system   uint64
	timeline uint32
	lsn      uint64
	// What follows is known of a server, and not part of a token.
	standby bool
	behind  time.Duration // since what it replayed last was committed
}

// unplaced stands for a place that is not known: whatever the primary of this
// timeline has.
const unplaced = math.MaxUint64

// seenSQL asks a server where it is. A standby that does not stream, or does not
// let this role see that it does, has no timeline.
const seenSQL = "SELECT standby, system, coalesce(timeline, 0), lsn, coalesce(extract(epoch FROM behind), 0)::float8 FROM $S.seen()"

func (s *seen) scan(row pgx.Row) error {
	var system, timeline, lsn int64
	var behind float64
	if err := row.Scan(&s.standby, &system, &timeline, &lsn, &behind); err != nil {
		return fault(err, "the server's place cannot be read")
	}
	s.system, s.timeline, s.lsn = uint64(system), uint32(timeline), uint64(lsn)
	s.behind = time.Duration(behind * float64(time.Second))
	return nil
}

// of says whether a place is of the same life of the same server.
func (s seen) of(other seen) bool { return s.system == other.system && s.timeline == other.timeline }

// tokenBytes are version, system, timeline, place and a checksum.
const (
	tokenVersion = 1
	tokenBytes   = 1 + 8 + 4 + 8 + 4
)

// String is the token; the zero value, which has seen nothing, is the empty one.
func (s seen) String() string {
	if s == (seen{}) {
		return ""
	}
	b := binary.BigEndian.AppendUint64([]byte{tokenVersion}, s.system)
	b = binary.BigEndian.AppendUint32(b, s.timeline)
	b = binary.BigEndian.AppendUint64(b, s.lsn)
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	return base64.RawURLEncoding.EncodeToString(b)
}

func parseSeen(token string) (s seen, err error) {
	if token == "" {
		return s, nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	switch {
	case err != nil, strings.ContainsAny(token, "\r\n"), len(b) != tokenBytes:
		return s, mainstem.Errorf(mainstem.Invalid, "session token %.64q is none: it is given by Session.Token", token)
	case b[0] != tokenVersion:
		return s, mainstem.Errorf(mainstem.Invalid, "session token %.64q is of version %d, which this program does not know", token, b[0])
	case crc32.ChecksumIEEE(b[:tokenBytes-4]) != binary.BigEndian.Uint32(b[tokenBytes-4:]):
		return s, mainstem.Errorf(mainstem.Invalid, "session token %.64q was changed on its way", token)
	}
	s.system = binary.BigEndian.Uint64(b[1:])
	s.timeline = binary.BigEndian.Uint32(b[9:])
	s.lsn = binary.BigEndian.Uint64(b[13:])
	return s, nil
}

// place is how a place is written in messages.
func (s seen) place() string {
	lsn := fmt.Sprintf("%X/%X", s.lsn>>32, uint32(s.lsn))
	if s.lsn == unplaced {
		lsn = "an unknown place"
	}
	return fmt.Sprintf("%s of timeline %d of system %d", lsn, s.timeline, s.system)
}
