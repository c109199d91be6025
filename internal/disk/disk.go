package disk

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// FS is a namespace of files. It is Pebble's interface, so that the log and
// the state store can share one wrapped disk.
type FS = vfs.FS

// File is an open file or directory of an FS.
type File = vfs.File

// Default is the operating system's file system.
var Default FS = vfs.Default

// NewMem returns an empty file system in memory. It never loses anything by
// itself: put a [Power] over it to simulate crashes.
func NewMem() FS { return vfs.NewMem() }

// Create makes a new, empty file for reading and writing. A file of that name
// is replaced by a new one, not truncated.
func Create(fs FS, name string) (File, error) {
	return fs.Create(name, vfs.WriteCategoryUnspecified)
}

// OpenReadWrite opens an existing file for reading and writing.
func OpenReadWrite(fs FS, name string) (File, error) {
	// The vfs call creates a missing file; an engine that reopens a file it
	// has seen must not conjure up an empty one in its place.
	if _, err := fs.Stat(name); err != nil {
		return nil, err
	}
	return fs.OpenReadWrite(name, vfs.WriteCategoryUnspecified)
}

// Exists tells whether name is there.
func Exists(fs FS, name string) (bool, error) {
	_, err := fs.Stat(name)
	if err == nil {
		return true, nil
	}
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return false, err
}

// IsFull tells whether err says that the disk, or a quota on it, is full.
func IsFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// ErrLocked marks a directory whose lock somebody else holds.
var ErrLocked = errors.New("disk: locked")

// LockDir takes the exclusive lock of dir for this process, in the file LOCK.
// The lock ends when the returned Closer is closed or the process dies. The
// error of a lock that is held says what to do.
func LockDir(fs FS, dir string) (io.Closer, error) {
	name, err := lockName(fs, dir)
	if err != nil {
		return nil, err
	}
	lock, err := fs.Lock(name)
	switch {
	case err == nil:
		return lock, nil
	case errors.Is(err, os.ErrPermission), errors.Is(err, syscall.EROFS), errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("disk: cannot lock %s: the directory is missing or not writable for this user; fix its permissions, or open it read-only to inspect it: %w", dir, err)
	default:
		return nil, fmt.Errorf("%w: %s is in use: another process (or another open handle in this one) holds %s; stop it first, or open the directory read-only to inspect it: %w", ErrLocked, dir, name, err)
	}
}

// lockName is absolute on the operating system's files, because the lock
// table inside one process is keyed by name: two spellings of one directory
// must not both succeed.
func lockName(fs FS, dir string) (string, error) {
	if vfs.Root(fs) == vfs.Default {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return "", fmt.Errorf("disk: absolute path of %s: %w", dir, err)
		}
		if resolved, err := filepath.EvalSymlinks(abs); err == nil {
			abs = resolved
		}
		dir = abs
	}
	return fs.PathJoin(dir, "LOCK"), nil
}
