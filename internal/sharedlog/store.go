// Package sharedlog is a log in memory that several nodes share, as they share one
// in PostgreSQL or JetStream, and that goes wrong on command: for tests of what
// nodes make of it. Each node has a Log of its own on one Store.
package sharedlog

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/mainstemdb/mainstem/journal"
)

// Store is what the nodes share.
type Store struct {
	mu      sync.Mutex
	oldest  uint64 // slot of slots[0]
	slots   [][]byte
	tail    journal.Head
	heads   map[uint64]journal.Head // of the chain, by index
	changed chan struct{}           // closed when something changes
}

// NewStore returns an empty one.
func NewStore() *Store {
	return &Store{oldest: 1, heads: map[uint64]journal.Head{}, changed: make(chan struct{})}
}

// Database is a database of one partition on the stores, for one node.
func Database(id [16]byte, stores ...*Store) (*journal.Database, []*Log) {
	d := &journal.Database{ID: id, Guarantees: journal.Guarantees{Engine: "shared memory", Synced: true, Machines: 1, Loses: "everything, when the process ends"}}
	var logs []*Log
	for _, s := range stores {
		l := s.Open()
		logs, d.Logs = append(logs, l), append(d.Logs, l)
	}
	return d, logs
}

// put writes a record into the next slot, whatever it names: what the engine's own
// comparison is to prevent, and cannot always.
func (s *Store) put(record []byte) uint64 {
	s.slots = append(s.slots, bytes.Clone(record))
	close(s.changed)
	s.changed = make(chan struct{})
	return s.oldest + uint64(len(s.slots)) - 1
}

// append compares and writes.
func (s *Store) append(after journal.Head, record []byte) (journal.Head, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	mine := journal.Head{Index: after.Index + 1, Hash: journal.Sum(record)}
	if after.Index == s.tail.Index && after.Hash == s.tail.Hash {
		mine.Slot = s.put(record)
		s.tail, s.heads[mine.Index] = mine, mine
		return mine, nil
	}
	if known, ok := s.heads[mine.Index]; ok && known.Hash == mine.Hash {
		return known, nil
	}
	return journal.Head{}, fmt.Errorf("%w: index %d is not the tail, which is %d", journal.ErrLost, after.Index, s.tail.Index)
}

// arrive writes a record that was on its way, whatever was written meanwhile: the
// chain alone tells whether it follows or is void.
func (s *Store) arrive(l late) {
	s.mu.Lock()
	defer s.mu.Unlock()
	slot := s.put(l.record)
	if l.after.Index == s.tail.Index && l.after.Hash == s.tail.Hash {
		s.tail = journal.Head{Index: l.after.Index + 1, Hash: journal.Sum(l.record), Slot: slot}
		s.heads[s.tail.Index] = s.tail
	}
}

// Late writes a record of a stranger.
func (s *Store) Late(record []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(record)
}

// Damage replaces the record in a slot, or takes the slot away where record is nil.
func (s *Store) Damage(slot uint64, record []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if record == nil {
		s.slots = append(s.slots[:slot-s.oldest:slot-s.oldest], s.slots[slot-s.oldest+1:]...)
		return
	}
	s.slots[slot-s.oldest] = bytes.Clone(record)
}

// Records are all that is stored, with the slot of the first.
func (s *Store) Records() (oldest uint64, records [][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.oldest, append([][]byte(nil), s.slots...)
}

func (s *Store) end() (next uint64, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.oldest + uint64(len(s.slots)), s.changed
}
