// Package dir keeps blobs as files of a directory, which may be mounted from another
// machine.
package dir

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mainstemdb/mainstem/blob"
	"github.com/mainstemdb/mainstem/internal/disk"
)

// suffix ends the name of every blob's file. A blob's name has no dot, so one stands
// for each slash of it, and all files are in one directory.
const suffix = ".blob"

// Store is a directory. It is a blob.Store.
type Store struct {
	fs  disk.FS
	dir string
	// sweep removes, once, what processes before have left.
	sweep sync.Once
}

var _ blob.Store = (*Store)(nil)

// Open opens the store in a directory of the operating system, which is made when the
// first blob is put.
func Open(dir string) *Store { return OnDisk(disk.Default, dir) }

// OnDisk is Open on another file system, for tests with faults.
func OnDisk(fs disk.FS, dir string) *Store { return &Store{fs: fs, dir: dir} }

func (s *Store) file(name string) string {
	return s.fs.PathJoin(s.dir, strings.ReplaceAll(name, "/", ".")+suffix)
}

// Put writes a file beside, syncs it, and gives it its name.
func (s *Store) Put(ctx context.Context, name string, data []byte) error {
	sealed, err := blob.Seal(name, data)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = disk.MkdirAll(s.fs, s.dir)
	}
	if err != nil {
		return err
	}
	s.sweep.Do(s.sweepLeft)
	// Two may put the same at the same time: each has a file of its own.
	var one [8]byte
	rand.Read(one[:])
	aside := s.file(name) + "." + hex.EncodeToString(one[:]) + disk.TempSuffix
	if err := s.write(aside, sealed); err != nil {
		_ = s.fs.Remove(aside) // what is left of it is removed when it is old
		return fmt.Errorf("writing blob %s: %w", name, err)
	}
	if err := s.fs.Rename(aside, s.file(name)); err != nil {
		return fmt.Errorf("naming blob %s: %w", name, err)
	}
	return disk.SyncDir(s.fs, s.dir)
}

func (s *Store) write(path string, data []byte) error {
	f, err := disk.Create(s.fs, path)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, 0)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// leftAfter is how old a file is that nobody writes any more.
const leftAfter = time.Hour

// sweepLeft removes files that were being written when a process ended. What goes
// wrong costs space, and is tried again by the next process.
func (s *Store) sweepLeft() {
	files, err := s.fs.List(s.dir)
	if err != nil {
		return
	}
	for _, file := range files {
		path := s.fs.PathJoin(s.dir, file)
		if !strings.HasSuffix(file, disk.TempSuffix) {
			continue
		}
		if info, err := s.fs.Stat(path); err == nil && time.Since(info.ModTime()) > leftAfter {
			_ = s.fs.Remove(path) // as above
		}
	}
}

// Get reads a file and holds it to its hash.
func (s *Store) Get(ctx context.Context, name string) ([]byte, error) {
	if err := errors.Join(blob.CheckName(name), ctx.Err()); err != nil {
		return nil, err
	}
	file, err := s.fs.Open(s.file(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s in %s", blob.ErrMissing, name, s.dir)
	}
	if err != nil {
		return nil, fmt.Errorf("opening blob %s: %w", name, err)
	}
	defer file.Close() // it was only read
	if info, err := file.Stat(); err == nil && info.Size() > blob.LimitSealed {
		return nil, fmt.Errorf("%w: the file of blob %s has %d bytes (L12)", blob.ErrCorrupt, name, info.Size())
	}
	sealed, err := disk.ReadAll(file, blob.LimitSealed)
	if err != nil {
		return nil, fmt.Errorf("reading blob %s: %w", name, err)
	}
	return blob.Open(name, sealed)
}

// List reads the directory; one that is not there has no blobs.
func (s *Store) List(ctx context.Context, prefix string) ([]string, error) {
	if err := errors.Join(blob.CheckPrefix(prefix), ctx.Err()); err != nil {
		return nil, err
	}
	files, err := s.fs.List(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", s.dir, err)
	}
	var names []string
	for _, file := range files {
		name, ok := strings.CutSuffix(file, suffix)
		name = strings.ReplaceAll(name, ".", "/")
		if ok && strings.HasPrefix(name, prefix) && blob.CheckName(name) == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Delete removes a file.
func (s *Store) Delete(ctx context.Context, name string) error {
	if err := errors.Join(blob.CheckName(name), ctx.Err()); err != nil {
		return err
	}
	err := s.fs.Remove(s.file(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("deleting blob %s: %w", name, err)
	}
	return disk.SyncDir(s.fs, s.dir)
}
