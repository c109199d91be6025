package file

import (
	"context"
	"fmt"

	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/journal"
)

// Trim forgets whole segments whose entries are all below slot, oldest first,
// and never the newest entry. What was trimmed is first written down, so that
// a lost segment cannot pass for a trimmed one.
func (l *Log) Trim(ctx context.Context, slot uint64) error {
	l.turn.Lock()
	defer l.turn.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if l.cfg.ReadOnly {
		return fmt.Errorf("%w: the log was opened read-only", journal.ErrFailed)
	}
	gone, first, err := l.below(slot)
	if err != nil || len(gone) == 0 {
		return err
	}
	if err := l.forget(gone, first); err != nil {
		l.fail(err)
		return fmt.Errorf("%w: %w", journal.ErrFailed, err)
	}
	return nil
}

// below returns the segments that a trim to slot removes, and the id of the
// first one that stays.
func (l *Log) below(slot uint64) ([]*segment, uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return nil, 0, err
	}
	n := 0
	for n < len(l.segments)-1 && l.segments[n].last < slot && l.segments[n].last < l.tail.Index {
		n++
	}
	return l.segments[:n:n], l.segments[n].id, nil
}

func (l *Log) forget(gone []*segment, first uint64) error {
	m := manifest{log: l.id, first: first}
	err := writeManifest(l.cfg.FS, l.cfg.Dir, m)
	if disk.IsFull(err) {
		// Making room must not need room: the reserve is there for this.
		l.full = true
		if err = l.dropReserve(); err == nil {
			err = writeManifest(l.cfg.FS, l.cfg.Dir, m)
		}
	}
	if err != nil {
		return fmt.Errorf("file: trim to segment %d: %w", first, err)
	}
	l.mu.Lock()
	l.segments = append([]*segment(nil), l.segments[len(gone):]...)
	l.mu.Unlock()
	for _, s := range gone {
		if err := l.cfg.FS.Remove(l.cfg.FS.PathJoin(l.cfg.Dir, s.name)); err != nil {
			return fmt.Errorf("file: remove segment %d: %w", s.id, err)
		}
		if err := s.release(); err != nil {
			return fmt.Errorf("file: close segment %d: %w", s.id, err)
		}
	}
	return disk.SyncDir(l.cfg.FS, l.cfg.Dir)
}
