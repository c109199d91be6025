package store

import (
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

// patient lets no compaction begin before the store is open. Pebble begins
// them while it opens, and one that is under way when opening fails goes on
// with what was taken away beneath it, and panics.
type patient struct {
	pebble.CompactionScheduler

	opened atomic.Bool
}

// TrySchedule asks whether a compaction may begin now. What is refused here
// is asked again after the next flush.
func (p *patient) TrySchedule() (bool, pebble.CompactionGrantHandle) {
	if !p.opened.Load() {
		return false, nil
	}
	return p.CompactionScheduler.TrySchedule()
}
