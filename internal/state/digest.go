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

// sweepKeys visits the versions of each name, newest first. A version is
// needed while it is newer than the horizon, or the newest of those at or
// before it; a deletion at or before the horizon says the same as nothing.
func sweepKeys(rows Rows, tail *Tail, number uint8, sum hash.Hash, dead func(key []byte) error) error {
	var prefix []byte
	var horizon mainstem.Position
	settled := false // a version at or before the horizon was seen
	from, to := slotRange(kindKey, number)
	for row, err := range rows.Scan(from, to) {
		if err != nil {
			return err
		}
		deleted := len(row.Value) == 1 && row.Value[0] == versionDeleted
		if name := row.Key[:len(row.Key)-suffix]; !bytes.Equal(name, prefix) {
			prefix, settled = append(prefix[:0], name...), false
			group, key, ok := names(row.Key, 0, suffix)
			if !ok {
				return mainstem.Errorf(mainstem.Corrupt, "a stored row of a key does not parse (L12)")
			}
			horizon = tail.horizon(group, key)
			if !deleted {
				hashRow(sum, row)
			}
		}
		if versionPosition(row.Key) > horizon {
			continue
		}
		if settled || deleted {
			if err := dead(row.Key); err != nil {
				return err
			}
		}
		settled = true
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
