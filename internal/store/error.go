package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
)

var (
	// ErrCorrupt marks damage in the stored files: a wrong checksum, a missing
	// table (L12). The state can be built again from the journal.
	ErrCorrupt = errors.New("store: corrupt")
	// ErrFailed marks a disk that refused to read or write. What was flushed
	// before is still there; open the directory again once the disk is well.
	ErrFailed = errors.New("store: failed")
	// ErrClosed is what a store or snapshot answers after its Close.
	ErrClosed = errors.New("store: closed")
	// ErrReadOnly is what a store opened read-only answers to changes.
	ErrReadOnly = errors.New("store: opened read-only")
)

// wrap turns an error of Pebble into one of this package, and says what to do.
func wrap(dir, doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrCorrupt), errors.Is(err, ErrFailed), errors.Is(err, ErrClosed), errors.Is(err, ErrReadOnly),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case pebble.IsCorruptionError(err):
		return corrupt(dir, doing, err)
	default:
		return fmt.Errorf("%w: %s in %s: %w", ErrFailed, doing, dir, err)
	}
}

func corrupt(dir, doing string, err error) error {
	return fmt.Errorf("%w: %s in %s: %w; close the database, move this directory away, "+
		"and open it again: the state is built anew from a snapshot or the log", ErrCorrupt, doing, dir, err)
}

// opening wraps an error of opening a store. Pebble marks as corruption what
// is wrong in tables and manifests, but not what it cannot make sense of in
// its options, its format marker, or the names of files: whatever the
// operating system did not refuse is damage.
func opening(dir string, err error) error {
	var refused syscall.Errno
	if errors.As(err, &refused) && refused != syscall.ENOENT || errors.Is(err, fs.ErrPermission) {
		return wrap(dir, "opening the state", err)
	}
	return corrupt(dir, "opening the state", err)
}

// Done is closed once the store has failed: it will take no more writes. Err
// says why.
func (s *Store) Done() <-chan struct{} { return s.done }

// Err is nil while the store works; then the first error that ended it, which
// wraps ErrFailed or ErrCorrupt.
func (s *Store) Err() error {
	if err := s.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// fail ends the store. It is called from within Pebble, with its locks held,
// so it only notes.
func (s *Store) fail(doing string, err error) {
	err = wrap(s.dir, doing, err)
	if s.failure.CompareAndSwap(nil, &err) {
		s.fuse.blow(err)
		close(s.done)
		s.log.Error("the state store has failed", "doing", doing, "err", err)
	}
}

// damaged wraps an error of a read. Damage ends the store (L12); a disk that
// could not be read may recover.
func (s *Store) damaged(doing string, err error) error {
	if err == nil {
		return nil
	}
	if pebble.IsCorruptionError(err) {
		s.fail(doing, err)
	}
	return wrap(s.dir, doing, err)
}
