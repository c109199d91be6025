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

	db     pebble.DBForCompaction
	opened atomic.Bool
}

// Register keeps whom to grant what was refused.
func (p *patient) Register(perCompaction int, db pebble.DBForCompaction) {
	p.db = db
	p.CompactionScheduler.Register(perCompaction, db)
}

// TrySchedule asks whether a compaction may begin now.
func (p *patient) TrySchedule() (bool, pebble.CompactionGrantHandle) {
	if !p.opened.Load() {
		return false, nil
	}
	return p.CompactionScheduler.TrySchedule()
}

// open grants what was refused before. Pebble does not ask a second time: it
// counts on being told, and a store that was opened with work left over would
// never compact again, until its writers wait for ever.
func (p *patient) open() {
	p.opened.Store(true)
	if waiting, _ := p.db.GetWaitingCompaction(); !waiting {
		return
	}
	if ok, handle := p.CompactionScheduler.TrySchedule(); ok && !p.db.Schedule(handle) {
		handle.Done()
	}
}
