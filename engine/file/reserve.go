package file

import (
	"errors"
	"fmt"
	"os"

	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/journal"
)

// ErrFull marks an append that was refused because the disk is full. Nothing
// was written. Free some space, or Trim, and append again: the log goes on by
// itself.
//
// From the first ErrFull on, the log lives on a small reserve and takes only
// records of up to OrderlyMax bytes, so that what gets a database out of the
// trouble (a trim or a confirmation) still fits (RELIABILITY 1.12). Whoever
// sees ErrFull keeps ordinary records away until an append of any size works.
var ErrFull = errors.New("file: the disk is full")

// OrderlyMax is the largest record, in bytes, that is taken while the disk is
// full.
const OrderlyMax = 4096

const (
	reserveName = "reserve"
	reserveMax  = 4 << 20
)

func (l *Log) reserveSize() int64 { return max(minSegment, min(reserveMax, l.cfg.SegmentSize/4)) }

// smallSize is the size of a segment that is made out of the reserve.
func (l *Log) smallSize() int64 { return max(minSegment, l.reserveSize()/4/4096*4096) }

// takeReserve puts the reserve file in place. A full disk is not an error: it
// is remembered in l.full.
func (l *Log) takeReserve() error {
	path := l.cfg.FS.PathJoin(l.cfg.Dir, reserveName)
	info, err := l.cfg.FS.Stat(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("file: look at %s: %w", path, err)
	}
	if err == nil && info.Size() == l.reserveSize() {
		l.full = false
		return nil
	}
	f, err := disk.Create(l.cfg.FS, path)
	if err == nil {
		err = disk.Zero(f, l.reserveSize())
		if err == nil {
			err = f.Sync()
		}
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}
	l.full = disk.IsFull(err)
	if l.full {
		return l.dropReserve()
	}
	if err != nil {
		return fmt.Errorf("file: set aside %s: %w", path, err)
	}
	return nil
}

// dropReserve gives the reserve's space back to the disk.
func (l *Log) dropReserve() error {
	path := l.cfg.FS.PathJoin(l.cfg.Dir, reserveName)
	there, err := disk.Exists(l.cfg.FS, path)
	if err == nil && there {
		err = l.cfg.FS.Remove(path)
	}
	if err == nil && there {
		err = disk.SyncDir(l.cfg.FS, l.cfg.Dir)
	}
	if err != nil && !disk.IsFull(err) {
		return fmt.Errorf("file: release %s: %w", path, err)
	}
	return nil
}

// spend decides, while the disk is full, whether a record may use the reserve.
func (l *Log) spend(record int) error {
	if !l.full {
		return nil
	}
	if err := l.takeReserve(); err != nil {
		l.fail(err)
		return fmt.Errorf("%w: %w", journal.ErrFailed, err)
	}
	if l.full && record > OrderlyMax {
		return fmt.Errorf("%w: %w: %d bytes are more than the %d it still takes: free some space or trim", journal.ErrFailed, ErrFull, record, OrderlyMax)
	}
	return nil
}

// nextSegment makes the segment after s. A full disk turns the log to its
// reserve; every other error ends it.
func (l *Log) nextSegment(s *segment, size int) (*segment, error) {
	h := header{log: l.id, id: s.id + 1, base: s.last + 1, prev: s.hash, durable: s.last}
	h.size = segmentSizeFor(l.cfg.SegmentSize, int64(size))
	if l.full {
		h.size = segmentSizeFor(l.smallSize(), int64(size))
	}
	var next *segment
	var err error
	if f := l.takeSpare(h.size); f != nil {
		next, err = finishSegment(l.cfg.FS, l.cfg.Dir, l.cfg.FS.PathJoin(l.cfg.Dir, spareName), f, h, nil)
	} else {
		next, err = createSegment(l.cfg.FS, l.cfg.Dir, h, nil)
	}
	if err == nil {
		return next, nil
	}
	if !roomMissing(err) {
		l.fail(err)
		return nil, fmt.Errorf("%w: %w", journal.ErrFailed, err)
	}
	l.full = true
	if rerr := l.dropReserve(); rerr != nil {
		l.fail(rerr)
		return nil, fmt.Errorf("%w: %w", journal.ErrFailed, rerr)
	}
	return nil, fmt.Errorf("%w: %w: free some space or trim; records of up to %d bytes are still taken: %w", journal.ErrFailed, ErrFull, OrderlyMax, err)
}
