package file

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/mainstemdb/mainstem/journal"
)

// A footer seals a segment: its frame names the last entry and its hash, its
// payload the count, the first index and where the data ends, 8 bytes each.
const footerPayload = 24

func footerOf(s *segment) frame {
	b := make([]byte, footerPayload)
	binary.LittleEndian.PutUint64(b[0:], s.count())
	binary.LittleEndian.PutUint64(b[8:], s.base)
	binary.LittleEndian.PutUint64(b[16:], uint64(s.end))
	return frame{kind: KindFooter, index: s.last, durable: s.last, hash: s.hash, payload: b}
}

// errUnsealed: the footer slot holds nothing, or nothing valid.
var errUnsealed = errors.New("the segment has no valid footer")

// loadFooter sets the end of a sealed segment from its footer.
func (s *segment) loadFooter() error {
	f, err := s.slot(s.footerSlot())
	if errors.Is(err, errZero) || errors.Is(err, errFrame) {
		return errUnsealed
	}
	if err != nil {
		return err
	}
	if f.kind != KindFooter || len(f.payload) != footerPayload {
		return s.damage(s.footerSlot(), s.base, "the footer slot holds something else")
	}
	count, first := binary.LittleEndian.Uint64(f.payload), binary.LittleEndian.Uint64(f.payload[8:])
	end := binary.LittleEndian.Uint64(f.payload[16:])
	if first != s.base || f.index+1 != first+count || end < dataStart || end > uint64(s.dataEnd()) {
		return s.damage(s.footerSlot(), s.base, "the footer contradicts the header")
	}
	s.last, s.hash, s.end, s.sealed = f.index, f.hash, int64(end), true
	return nil
}

// follows checks that next continues s (RELIABILITY 1.6).
func (s *segment) follows(next *segment) error {
	if next.base != s.last+1 || next.prev != s.hash {
		return next.damage(0, next.base, fmt.Sprintf("the segment continues index %d (%v), but segment %d ends at index %d (%v): segments were swapped or replaced",
			next.base-1, next.prev, s.id, s.last, s.hash))
	}
	return nil
}

// set moves the segment's end to what examine found.
func (s *segment) set(v verdict) {
	s.last, s.hash, s.end, s.way = v.last, v.hash, v.end, v.way
}

// head is the head of the segment's last entry, or of the one before it.
func (s *segment) head() journal.Head {
	return journal.Head{Index: s.last, Hash: s.hash, Slot: s.last}
}
