package store

import (
	"errors"
	"io"
	"os"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/mainstemdb/mainstem/internal/disk"
)

// fuse is the disk of a store until the first change that fails; after that
// no change gets through, and the files stay as a crash at that moment would
// leave them. Pebble itself would try again, and a second sync of a file can
// succeed without the data of the first (RELIABILITY 1.2).
type fuse struct {
	vfs.FS
	dir   string
	blame func(op string, err error)

	mu       sync.Mutex
	blown    error
	parking  bool
	released chan struct{}
}

func newFuse(fs disk.FS, dir string, blame func(op string, err error)) *fuse {
	return &fuse{FS: fs, dir: dir, blame: blame, released: make(chan struct{})}
}

// blow lets no further change through; the first reason stays.
func (f *fuse) blow(why error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.blown == nil {
		f.blown = why
	}
}

// park makes Create wait once the fuse has blown, until release.
func (f *fuse) park() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.parking = true
}

// release is called once, when the store is closed.
func (f *fuse) release() { close(f.released) }

func (f *fuse) parked() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.parking
}

func (f *fuse) reason() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.blown
}

// check judges the outcome of a change of the store's own files.
func (f *fuse) check(op, name string, err error) error {
	if err != nil && f.own(name) {
		f.blame(op+" "+f.PathBase(name), err)
		if f.opening(name) {
			return nil
		}
	}
	return err
}

// own tells the store's files from those of a checkpoint, whose failure is
// the checkpoint's alone.
func (f *fuse) own(name string) bool { return f.PathDir(name) == f.dir }

// opening tells the files of a store that is being opened. Pebble's Open
// flushes, waits, and begins a failed flush again for ever; so until it is done
// a change that fails, and every one after it, succeeds as Pebble sees it and
// reaches nothing. Whoever opens asks the store for its failure afterwards.
func (f *fuse) opening(name string) bool {
	return f.own(name) && !f.parked() && !errors.Is(f.reason(), ErrReadOnly)
}

// Create waits when the fuse of an open store has blown, until the store is
// closed: Pebble begins a failed flush again at once and for ever, and would
// turn in circles.
func (f *fuse) Create(name string, c vfs.DiskWriteCategory) (file vfs.File, err error) {
	if err = f.reason(); err == nil {
		file, err = f.FS.Create(name, c)
		err = f.check("creating", name, err)
	} else if f.own(name) && f.parked() {
		<-f.released
	}
	if err == nil && file == nil || err != nil && f.opening(name) {
		return vfs.NewMem().Create(f.PathBase(name), c)
	}
	return f.wrap(name, file, err)
}

func (f *fuse) wrap(name string, file vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &fusedFile{File: file, fuse: f, name: name}, nil
}

func (f *fuse) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	if err := f.reason(); err != nil {
		return nil, err
	}
	file, err := f.FS.OpenReadWrite(name, c, o...)
	return f.wrap(name, file, err)
}

func (f *fuse) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := f.reason(); err != nil {
		return nil, err
	}
	file, err := f.FS.ReuseForWrite(from, to, c)
	if err != nil {
		_ = f.check("reusing", to, err) // there is no file to pretend with
	}
	return f.wrap(to, file, err)
}

func (f *fuse) OpenDir(name string) (vfs.File, error) {
	file, err := f.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &fusedDir{File: file, fuse: f, name: name}, nil
}

func (f *fuse) Link(from, to string) error {
	if err := f.reason(); err != nil {
		return err
	}
	return f.FS.Link(from, to)
}

func (f *fuse) Rename(from, to string) error {
	if err := f.reason(); err != nil {
		if f.opening(to) {
			return nil
		}
		return err
	}
	return f.check("renaming", to, f.FS.Rename(from, to))
}

func (f *fuse) Remove(name string) error {
	if err := f.reason(); err != nil {
		return err
	}
	return f.FS.Remove(name)
}

func (f *fuse) RemoveAll(name string) error {
	if err := f.reason(); err != nil {
		return err
	}
	return f.FS.RemoveAll(name)
}

func (f *fuse) MkdirAll(dir string, perm os.FileMode) error {
	if err := f.reason(); err != nil {
		return err
	}
	return f.FS.MkdirAll(dir, perm)
}

// Lock takes no lock for a store that is read-only: it could not create the
// file on a medium that is read-only too.
func (f *fuse) Lock(name string) (io.Closer, error) {
	if f.reason() != nil {
		return io.NopCloser(nil), nil
	}
	return f.FS.Lock(name)
}

func (f *fuse) Unwrap() vfs.FS { return f.FS }

type fusedFile struct {
	vfs.File
	fuse *fuse
	name string
}

// do makes one change of the file, unless the fuse has blown.
func (f *fusedFile) do(op string, change func() error) error {
	if err := f.fuse.reason(); err != nil {
		if f.fuse.opening(f.name) {
			return nil
		}
		return err
	}
	return f.fuse.check(op, f.name, change())
}

func (f *fusedFile) Write(p []byte) (n int, err error) {
	err = f.do("writing", func() (err error) { n, err = f.File.Write(p); return err })
	return written(n, p, err)
}

// written is all of it where the error was kept from Pebble.
func written(n int, p []byte, err error) (int, error) {
	if err == nil {
		n = len(p)
	}
	return n, err
}

func (f *fusedFile) WriteAt(p []byte, off int64) (n int, err error) {
	err = f.do("writing", func() (err error) { n, err = f.File.WriteAt(p, off); return err })
	return written(n, p, err)
}

func (f *fusedFile) Sync() error { return f.do("syncing", f.File.Sync) }

func (f *fusedFile) SyncData() error { return f.do("syncing", f.File.SyncData) }

func (f *fusedFile) SyncTo(length int64) (full bool, err error) {
	err = f.do("syncing", func() (err error) { full, err = f.File.SyncTo(length); return err })
	return full, err
}

func (f *fusedFile) Close() error { return f.fuse.check("closing", f.name, f.File.Close()) }

type fusedDir struct {
	vfs.File
	fuse *fuse
	name string
}

// Sync never fails as Pebble sees it, because Pebble panics when a directory
// cannot be synced. Nothing is lost by that: the store has failed by then, no
// later change gets through, and no Flush or Checkpoint succeeds.
func (d *fusedDir) Sync() error {
	if d.fuse.reason() == nil {
		if err := d.File.Sync(); err != nil {
			d.fuse.blame("syncing directory "+d.name, err)
		}
	}
	return nil
}
