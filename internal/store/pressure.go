package store

import "github.com/mainstemdb/mainstem/internal/state"

// Limits of what may wait for the disk (L10).
const (
	// memtableShare of the memory is one table of rows in memory; up to
	// memtableQueue of them may be full and wait to be flushed.
	memtableShare = 8
	memtableQueue = 4
	maxMemtable   = 64 << 20
	// sublevels is how many layers of flushed tables a read may have to look
	// through before writers wait for compaction.
	sublevels = 24
)

// pressure holds Apply back while the disk is behind.
type pressure struct {
	memtable int64 // bytes of one memtable
	unseen   int64 // bytes applied since Pebble was last asked
	eased    chan struct{}
}

func newPressure(memory int64) pressure {
	return pressure{memtable: min(memory/memtableShare, maxMemtable), eased: make(chan struct{}, 1)}
}

// ease wakes a writer that waits; it never blocks.
func (p *pressure) ease() {
	select {
	case p.eased <- struct{}{}:
	default:
	}
}

// hold waits until there is room for n more bytes, or the store has ended.
func (s *Store) hold(n int64) error {
	p := &s.pressure
	if p.unseen += n; p.unseen < p.memtable/4 {
		return nil
	}
	p.unseen = 0
	for {
		m := s.db.Metrics()
		if int64(m.MemTable.Size) < memtableQueue*p.memtable && m.Levels[0].Sublevels < sublevels {
			return nil
		}
		select {
		case <-p.eased:
		case <-s.done:
			return s.Err()
		case <-s.fuse.released: // Close has begun
			return ErrClosed
		}
	}
}

// weight is about how much memory the writes take until they are flushed.
func weight(writes []state.Write) (n int) {
	const row = 32 // what Pebble adds per row
	for i := range writes {
		n += len(writes[i].Key) + len(writes[i].Value) + len(writes[i].End) + row
	}
	return n
}
