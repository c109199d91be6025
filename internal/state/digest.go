package state

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"strings"

	"github.com/mainstemdb/mainstem"
)

// Ranges is how many ranges of slots the rolling digest walks through, one per
// checkpoint.
const Ranges = 64

// Sweep walks one range of slots: it returns the digest of what is alive there
// (newest versions, streams, leases, presented tokens; neither history nor IDs,
// so that it does not depend on when garbage was collected), and reports the
// versions that no read may ask for any more. Every row on the way has its
// checksum verified by the store (L12).
func Sweep(rows Rows, tail *Tail, number uint8, dead func(key []byte) error) ([16]byte, error) {
	sum := sha256.New()
	if err := sweepKeys(rows, tail, number, sum, dead); err != nil {
		return [16]byte{}, err
	}
	for _, kind := range []byte{kindStream, kindLease, kindPresented} {
		from, to := slotRange(kind, number)
		for row, err := range rows.Scan(from, to) {
			if err != nil {
				return [16]byte{}, err
			}
			hashRow(sum, row)
		}
	}
	return [16]byte(sum.Sum(nil)[:16]), nil
}

func slotRange(kind, number byte) (from, to []byte) {
	const width = mainstem.Slots / Ranges
	from = binary.BigEndian.AppendUint16([]byte{kind}, uint16(number)*width)
	to = binary.BigEndian.AppendUint16([]byte{kind}, (uint16(number)+1)*width)
	return from, to
}

func hashRow(sum hash.Hash, row Row) {
	var sizes [8]byte
	binary.BigEndian.PutUint32(sizes[:4], uint32(len(row.Key)))
	binary.BigEndian.PutUint32(sizes[4:], uint32(len(row.Value)))
	sum.Write(sizes[:])
	sum.Write(row.Key)
	sum.Write(row.Value)
}

// keySweep visits the versions of each name that are in their place, newest
// first. A version is needed while it is newer than the horizon, or the newest
// of those at or before it; a deletion at or before the horizon says the same
// as nothing.
type keySweep struct {
	tail *Tail
	sum  hash.Hash
	dead func(key []byte) error

	prefix  []byte
	horizon mainstem.Position
	settled bool // a version at or before the horizon was seen
	// marker is a deletion that says nothing any more. What is older than it
	// must go first, or would be back for a moment.
	marker []byte
}

func sweepKeys(rows Rows, tail *Tail, number uint8, sum hash.Hash, dead func(key []byte) error) error {
	s := &keySweep{tail: tail, sum: sum, dead: dead}
	from, to := slotRange(kindKey, number)
	for row, err := range rows.Scan(from, to) {
		if err == nil {
			err = s.visit(row)
		}
		if err != nil {
			return err
		}
	}
	if err := s.leave(); err != nil {
		return err
	}
	return sweepWindows(rows, tail, number, dead)
}

func (s *keySweep) visit(row Row) error {
	value := openVersion(row).value
	deleted := len(value) == 1 && value[0] == versionDeleted
	if name, _ := Prefix(row.Key); !bytes.Equal(name, s.prefix) {
		if err := s.leave(); err != nil {
			return err
		}
		group, key, ok := names(row.Key, 0, suffix)
		if !ok {
			return mainstem.Errorf(mainstem.Corrupt, "a stored row of a key does not parse (L12)")
		}
		s.prefix, s.settled = append(s.prefix[:0], name...), false
		s.horizon = s.tail.horizon(group, key)
		if !deleted {
			hashRow(s.sum, Row{Key: row.Key, Value: value})
		}
	}
	if VersionPosition(row.Key) > s.horizon {
		return nil
	}
	first := !s.settled
	s.settled = true
	switch {
	case first && deleted:
		s.marker = append(s.marker[:0], row.Key...)
	case !first:
		return s.dead(row.Key)
	}
	return nil
}

// leave ends the visit of a name.
func (s *keySweep) leave() error {
	if len(s.marker) == 0 {
		return nil
	}
	err := s.dead(s.marker)
	s.marker = s.marker[:0]
	return err
}

// sweepWindows finds what windows keep for keys of a shorter history than
// others: whole windows are forgotten at the oldest horizon (forgetWindows).
func sweepWindows(rows Rows, tail *Tail, number uint8, dead func(key []byte) error) error {
	oldest, newest := tail.OldestHorizon(), tail.NewestHorizon()
	for oldest < newest {
		row, ok, err := rows.First(Window(nil, oldest+1, nil), Window(nil, newest+1, nil))
		if err != nil || !ok || len(row.Key) < 1+suffix {
			return err
		}
		oldest = mainstem.Position(binary.BigEndian.Uint64(row.Key[1:]))
		from, to := slotRange(kindKey, number)
		for row, err := range rows.Scan(Window(nil, oldest, from), Window(nil, oldest, to)) {
			if err != nil {
				return err
			}
			group, key, ok := names(row.Key[1+suffix:], 0, suffix)
			if !ok {
				return mainstem.Errorf(mainstem.Corrupt, "a stored row of a key's history does not parse (L12)")
			}
			// Another of its window has passed it by the window's end.
			if oldest > tail.horizon(group, key) {
				continue
			}
			if err := dead(row.Key); err != nil {
				return err
			}
		}
	}
	return nil
}

// HorizonOf is the oldest position at which the keys in [from, to) of a group
// can be read: the newest horizon of every rule that may cover one of them.
func (t *Tail) HorizonOf(group, from, to string) mainstem.Position {
	rule := t.rule(group, from)
	if rule > 0 && to != "" {
		k := t.Settings.History[rule-1]
		if _, end := mainstem.Prefix(k.Prefix); end == "" || to <= end {
			if !t.narrower(rule, group) {
				return t.Horizons[rule]
			}
		}
	}
	return t.NewestHorizon()
}

// narrower reports whether another rule covers a part of what rule covers.
func (t *Tail) narrower(rule int, group string) bool {
	k := t.Settings.History[rule-1]
	for i, o := range t.Settings.History {
		if i != rule-1 && len(o.Group)+len(o.Prefix) >= len(k.Group)+len(k.Prefix) && strings.HasPrefix(group, o.Group) {
			return true
		}
	}
	return false
}
