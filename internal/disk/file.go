package disk

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
)

// TempSuffix ends the name of every file that is not finished. Whoever owns a
// directory may remove such files when it opens it.
const TempSuffix = ".tmp"

// SyncDir makes the entries of dir durable: what was created, renamed or
// removed in it before the call.
func SyncDir(fs FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return fmt.Errorf("disk: open directory %s: %w", dir, err)
	}
	err = d.Sync()
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("disk: sync directory %s: %w", dir, err)
	}
	return nil
}

// MkdirAll makes dir and whatever is missing above it, durably: every
// directory that gained an entry is synced.
func MkdirAll(fs FS, dir string) error {
	missing := []string{}
	for at := dir; ; at = fs.PathDir(at) {
		there, err := Exists(fs, at)
		if err != nil {
			return fmt.Errorf("disk: look at directory %s: %w", at, err)
		}
		if there || at == fs.PathDir(at) {
			break
		}
		missing = append(missing, at)
	}
	if len(missing) == 0 {
		// It may have been made a moment ago by a process that died before it
		// synced the parent, so the entry is synced even when it is there.
		return syncParent(fs, dir)
	}
	if err := fs.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("disk: make directory %s: %w", dir, err)
	}
	for i := len(missing) - 1; i >= 0; i-- {
		if err := syncParent(fs, missing[i]); err != nil {
			return err
		}
	}
	return nil
}

func syncParent(fs FS, dir string) error {
	err := SyncDir(fs, fs.PathDir(dir))
	if errors.Is(err, os.ErrPermission) {
		// A parent that this process may not even open is not one in which it
		// made an entry.
		return nil
	}
	return err
}

// WriteFile replaces name by data, atomically and durably: after a crash the
// file has either its old or its new content, and after a nil error the new.
func WriteFile(fs FS, name string, data []byte) error {
	temp := name + TempSuffix
	f, err := Create(fs, temp)
	if err != nil {
		return fmt.Errorf("disk: create %s: %w", temp, err)
	}
	_, err = f.WriteAt(data, 0)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		_ = fs.Remove(temp) // a leftover is harmless, and the first error is the one to tell
		return fmt.Errorf("disk: write %s: %w", temp, err)
	}
	if err := fs.Rename(temp, name); err != nil {
		return fmt.Errorf("disk: rename %s: %w", temp, err)
	}
	return SyncDir(fs, fs.PathDir(name))
}

// ReadFile reads the whole of name, which must not be longer than limit bytes.
func ReadFile(fs FS, name string, limit int64) ([]byte, error) {
	f, err := fs.Open(name)
	if err != nil {
		return nil, fmt.Errorf("disk: open %s: %w", name, err)
	}
	data, err := ReadAll(f, limit)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, fmt.Errorf("disk: read %s: %w", name, err)
	}
	return data, nil
}

// ReadAll reads the whole of an open file, which must not be longer than
// limit bytes.
func ReadAll(f File, limit int64) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("file has %d bytes, more than the %d allowed", info.Size(), limit)
	}
	data := make([]byte, info.Size())
	n, err := f.ReadAt(data, 0)
	if n == len(data) {
		return data, nil
	}
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	return nil, err
}

// zeroChunk is how much Zero writes at a time, in bytes.
const zeroChunk = 64 << 10

// Zero fills a new, empty file with size zero bytes and reserves their blocks.
// After the next Sync of f, writing within them changes no metadata, so that
// SyncData has only the data itself to write.
func Zero(f File, size int64) error {
	// Reserving first keeps the blocks together. Writing real zeros as well
	// turns "reserved" into "written" extents; without that every first write
	// to a block costs a metadata commit.
	if err := f.Preallocate(0, size); err != nil && !unsupported(err) {
		return fmt.Errorf("disk: preallocate %d bytes: %w", size, err)
	}
	chunk := make([]byte, min(size, zeroChunk))
	for done := int64(0); done < size; {
		part := chunk[:min(size-done, int64(len(chunk)))]
		clear(part) // vfs.File.Write may scribble on its argument
		n, err := f.Write(part)
		if err != nil {
			return fmt.Errorf("disk: zero bytes %d to %d: %w", done, size, err)
		}
		done += int64(n)
	}
	return nil
}

func unsupported(err error) bool {
	return errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOSYS)
}

// CopyDir copies the files of one directory into another, which appears whole
// and durable or not at all.
func CopyDir(fs FS, from, to string) error {
	partial := to + TempSuffix
	if err := fs.RemoveAll(partial); err != nil {
		return err
	}
	if err := CopyBetween(fs, from, fs, partial); err != nil {
		return err
	}
	if err := fs.Rename(partial, to); err != nil {
		return err
	}
	return SyncDir(fs, fs.PathDir(to))
}

// CopyBetween copies a directory and what is below it from one file system to
// another, and makes the copy durable.
func CopyBetween(source FS, from string, target FS, to string) error {
	return copyTree(source, from, target, to, func(from, to string) error { return copyFile(source, from, target, to) })
}

// CopyLinked is CopyBetween within one file system, where files that end in suffix,
// which nobody changes, are linked.
func CopyLinked(fs FS, from, to, suffix string) error {
	return copyTree(fs, from, fs, to, func(from, to string) error {
		if strings.HasSuffix(from, suffix) {
			return fs.Link(from, to)
		}
		return copyFile(fs, from, fs, to)
	})
}

func copyTree(source FS, from string, target FS, to string, file func(from, to string) error) error {
	if err := MkdirAll(target, to); err != nil {
		return err
	}
	names, err := source.List(from)
	if err != nil {
		return err
	}
	for _, name := range names {
		from, to := source.PathJoin(from, name), target.PathJoin(to, name)
		info, err := source.Stat(from)
		if err != nil {
			return err
		}
		if info.IsDir() {
			err = copyTree(source, from, target, to, file)
		} else {
			err = file(from, to)
		}
		if err != nil {
			return err
		}
	}
	return SyncDir(target, to)
}

func copyFile(source FS, from string, target FS, to string) (err error) {
	in, err := source.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := Create(target, to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Sync()
}
