package state

import (
	"encoding/binary"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/journal"
)

// shortHash is the part of a record's hash that a token carries.
func shortHash(h journal.Hash) uint32 { return binary.BigEndian.Uint32(h[:4]) }

// MarkAt is what a token that has seen a position carries. Where the place of
// the record is no longer kept, the mark has no hash to compare (0).
func (t *Tail) MarkAt(rows Rows, p mainstem.Position) (mainstem.Mark, error) {
	if p == t.Last {
		return t.Mark(), nil
	}
	m := mainstem.Mark{Partition: int(t.Partition), Incarnation: t.incarnationOf(p), Position: p}
	place, ok, err := PlaceOf(rows, p)
	if ok {
		m.Hash = shortHash(place.Head.Hash)
	}
	return m, err
}

// Mark is what a token that has seen the tail carries.
func (t *Tail) Mark() mainstem.Mark {
	return mainstem.Mark{Partition: int(t.Partition), Incarnation: t.incarnationOf(t.Last), Position: t.Last, Hash: t.LastHash}
}

// Mark is what a token carries that has seen a position in the record at head.
func Mark(partition int, i mainstem.Incarnation, p mainstem.Position, head journal.Head) mainstem.Mark {
	return mainstem.Mark{Partition: partition, Incarnation: i, Position: p, Hash: shortHash(head.Hash)}
}

func (t *Tail) incarnationOf(p mainstem.Position) mainstem.Incarnation {
	for _, era := range t.Past {
		if p <= era.Last {
			return era.Incarnation
		}
	}
	return t.Incarnation
}

// Has reports whether this history has what a mark has seen. A position beyond
// the end of its incarnation, an unknown incarnation, or another hash at the
// position is HistoryLost; ahead is true when the mark is beyond the tail of
// the incarnation that still goes on.
func (t *Tail) Has(rows Rows, m mainstem.Mark) (ahead bool, err error) {
	lost := func(why string) (bool, error) {
		return false, mainstem.Errorf(mainstem.HistoryLost, "partition %d, incarnation %016x, position %s: %s (L1)",
			m.Partition, uint64(m.Incarnation), m.Position, why)
	}
	if m.Incarnation == t.Incarnation && m.Position > t.Last {
		return true, nil
	}
	if owner := t.incarnationOf(m.Position); owner != m.Incarnation {
		return lost("this database has no such position in that incarnation")
	}
	place, kept, err := PlaceOf(rows, m.Position)
	if err != nil || !kept || m.Hash == 0 {
		return false, err
	}
	if shortHash(place.Head.Hash) != m.Hash {
		return lost("another transaction took that position")
	}
	return false, nil
}
