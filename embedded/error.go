package embedded

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/engine/file"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/journal"
)

// openError says of an error met while opening what it means and what to do.
func openError(where string, err error) error {
	switch {
	case err == nil, mainstem.CodeOf(err) != 0:
		return err
	case errors.Is(err, journal.ErrCorrupt):
		return mainstem.Errorf(mainstem.Corrupt, "%s: %w", where, err)
	case errors.Is(err, file.ErrVersion):
		return advise(mainstem.Errorf(mainstem.Invalid, "%s: %w", where, err), "use the newer Mainstem that wrote it; nothing was changed")
	case errors.Is(err, disk.ErrLocked):
		return advise(mainstem.Errorf(mainstem.Unavailable, "%s is open in another process: %w", where, err),
			"close it there, or open it read-only to look at it")
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return advise(mainstem.Errorf(mainstem.Denied, "%s cannot be written: %w", where, err),
			"give this process the right to write there, or open it read-only")
	case disk.IsFull(err):
		return advise(mainstem.Errorf(mainstem.Unavailable, "%s: the disk is full: %w", where, err), "free some space and open it again")
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return mainstem.Errorf(mainstem.Cancelled, "opening %s: %w", where, err)
	default:
		return mainstem.Errorf(mainstem.Unavailable, "%s: %w", where, err)
	}
}
