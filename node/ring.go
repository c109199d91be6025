package node

import (
	"sync"

	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/journal"
)

// ring is the newest records of a partition, in memory, for followers that
// keep up. One that does not reads the log instead: it costs the writer
// nothing and holds no memory, however slow it is.
type ring struct {
	mu      sync.Mutex
	limit   int64
	bytes   int64
	first   uint64 // index of entries[0]
	entries []*ringEntry
}

type ringEntry struct {
	header record.Header
	head   journal.Head
	bytes  []byte
	once   sync.Once
	record *record.Record
	err    error
}

// decode decodes once for all followers.
func (e *ringEntry) decode() (*record.Record, error) {
	e.once.Do(func() { e.record, e.err = record.Decode(e.bytes) })
	return e.record, e.err
}

// decodedFactor is how much larger than its bytes a decoded record is, roughly.
const decodedFactor = 4

func (r *ring) add(h *record.Header, bytes []byte, head journal.Head) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.entries) == 0 {
		r.first = h.Index
	}
	r.entries = append(r.entries, &ringEntry{header: *h, head: head, bytes: bytes})
	r.bytes += int64(len(bytes))
	drop := 0
	for drop < len(r.entries)-1 && r.bytes*decodedFactor > r.limit {
		r.bytes -= int64(len(r.entries[drop].bytes))
		r.entries[drop] = nil
		drop++
	}
	r.entries, r.first = r.entries[drop:], r.first+uint64(drop)
}

// at returns the record with an index, or nil if it is not in the ring.
func (r *ring) at(index uint64) *ringEntry {
	r.mu.Lock()
	defer r.mu.Unlock()
	if index < r.first || index >= r.first+uint64(len(r.entries)) {
		return nil
	}
	return r.entries[index-r.first]
}
