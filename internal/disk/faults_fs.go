package disk

import (
	"io"
	"os"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func pathError(op Op, name string, err error) error {
	return &os.PathError{Op: op.String(), Path: name, Err: err}
}

func (f *Faults) file(kind Op, name string, open func() (File, error)) (File, error) {
	if err := f.check(kind, name); err != nil {
		return nil, pathError(kind, name, err)
	}
	inner, err := open()
	if err != nil {
		return nil, err
	}
	h := &faultyFile{File: inner, f: f}
	h.named.Store(&name)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.handles[h] = true
	return h, nil
}

// renamed lets the open handles of a file go by its new name.
func (f *Faults) renamed(oldname, newname string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for h := range f.handles {
		if *h.named.Load() == oldname {
			h.named.Store(&newname)
		}
	}
}

// Create implements FS.
func (f *Faults) Create(name string, c vfs.DiskWriteCategory) (File, error) {
	return f.file(OpCreate, name, func() (File, error) { return f.FS.Create(name, c) })
}

// Open implements FS.
func (f *Faults) Open(name string, opts ...vfs.OpenOption) (File, error) {
	return f.file(OpOpen, name, func() (File, error) { return f.FS.Open(name, opts...) })
}

// OpenReadWrite implements FS.
func (f *Faults) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (File, error) {
	return f.file(OpOpen, name, func() (File, error) { return f.FS.OpenReadWrite(name, c, opts...) })
}

// OpenDir implements FS.
func (f *Faults) OpenDir(name string) (File, error) {
	return f.file(OpOpen, name, func() (File, error) { return f.FS.OpenDir(name) })
}

// ReuseForWrite implements FS.
func (f *Faults) ReuseForWrite(oldname, newname string, c vfs.DiskWriteCategory) (File, error) {
	return f.file(OpRename, newname, func() (File, error) { return f.FS.ReuseForWrite(oldname, newname, c) })
}

// Link implements FS.
func (f *Faults) Link(oldname, newname string) error {
	if err := f.check(OpCreate, newname); err != nil {
		return pathError(OpCreate, newname, err)
	}
	return f.FS.Link(oldname, newname)
}

// MkdirAll implements FS.
func (f *Faults) MkdirAll(dir string, perm os.FileMode) error {
	if err := f.check(OpCreate, dir); err != nil {
		return pathError(OpCreate, dir, err)
	}
	return f.FS.MkdirAll(dir, perm)
}

// Remove implements FS.
func (f *Faults) Remove(name string) error {
	if err := f.check(OpRemove, name); err != nil {
		return pathError(OpRemove, name, err)
	}
	return f.FS.Remove(name)
}

// RemoveAll implements FS.
func (f *Faults) RemoveAll(name string) error {
	if err := f.check(OpRemove, name); err != nil {
		return pathError(OpRemove, name, err)
	}
	return f.FS.RemoveAll(name)
}

// Rename implements FS. A Fault's Path is matched with the new name.
func (f *Faults) Rename(oldname, newname string) error {
	if err := f.check(OpRename, newname); err != nil {
		return pathError(OpRename, newname, err)
	}
	err := f.FS.Rename(oldname, newname)
	if err == nil {
		f.renamed(oldname, newname)
	}
	return err
}

// Lock implements FS.
func (f *Faults) Lock(name string) (io.Closer, error) {
	if err := f.check(OpOpen, name); err != nil {
		return nil, pathError(OpOpen, name, err)
	}
	return f.FS.Lock(name)
}

// List implements FS.
func (f *Faults) List(dir string) ([]string, error) {
	if err := f.check(OpOpen, dir); err != nil {
		return nil, pathError(OpOpen, dir, err)
	}
	return f.FS.List(dir)
}

// Stat implements FS.
func (f *Faults) Stat(name string) (vfs.FileInfo, error) {
	if err := f.check(OpOpen, name); err != nil {
		return nil, pathError(OpOpen, name, err)
	}
	return f.FS.Stat(name)
}

// faultyFile is a file of a Faults.
type faultyFile struct {
	File
	f     *Faults
	named atomic.Pointer[string]
}

func (h *faultyFile) name() string { return *h.named.Load() }

func (h *faultyFile) Read(b []byte) (int, error) {
	if err := h.f.check(OpRead, h.name()); err != nil {
		return 0, pathError(OpRead, h.name(), err)
	}
	return h.File.Read(b)
}

func (h *faultyFile) ReadAt(b []byte, off int64) (int, error) {
	if err := h.f.check(OpRead, h.name()); err != nil {
		return 0, pathError(OpRead, h.name(), err)
	}
	return h.File.ReadAt(b, off)
}

func (h *faultyFile) Write(b []byte) (int, error) {
	return h.write(b, h.File.Write)
}

func (h *faultyFile) WriteAt(b []byte, off int64) (int, error) {
	return h.write(b, func(b []byte) (int, error) { return h.File.WriteAt(b, off) })
}

func (h *faultyFile) write(b []byte, inner func([]byte) (int, error)) (int, error) {
	hit := h.f.strike(OpWrite, h.name())
	if hit == nil || hit.Err == nil {
		return inner(b)
	}
	n := min(hit.Torn, len(b))
	if n > 0 {
		if m, err := inner(b[:n]); err != nil {
			return m, err
		}
	}
	return n, pathError(OpWrite, h.name(), hit.Err)
}

func (h *faultyFile) Preallocate(off, n int64) error {
	if err := h.f.check(OpCreate, h.name()); err != nil {
		return pathError(OpCreate, h.name(), err)
	}
	return h.File.Preallocate(off, n)
}

func (h *faultyFile) Stat() (vfs.FileInfo, error) {
	if err := h.f.check(OpOpen, h.name()); err != nil {
		return nil, pathError(OpOpen, h.name(), err)
	}
	return h.File.Stat()
}

func (h *faultyFile) sync(inner func() error) error {
	hit := h.f.strike(OpSync, h.name())
	switch {
	case hit == nil:
		return inner()
	case hit.Err != nil:
		if f, ok := h.File.(*powerFile); ok && hit.Forget {
			f.Forget()
		}
		return pathError(OpSync, h.name(), hit.Err)
	case hit.Swallow:
		return nil
	}
	return inner()
}

func (h *faultyFile) Sync() error     { return h.sync(h.File.Sync) }
func (h *faultyFile) SyncData() error { return h.sync(h.File.SyncData) }

func (h *faultyFile) SyncTo(n int64) (full bool, err error) {
	err = h.sync(func() error {
		full, err = h.File.SyncTo(n)
		return err
	})
	return full, err
}

// Close always closes the inner file, as close(2) does even when it fails.
func (h *faultyFile) Close() error {
	h.f.mu.Lock()
	delete(h.f.handles, h)
	h.f.mu.Unlock()
	err := h.File.Close()
	if ferr := h.f.check(OpClose, h.name()); ferr != nil {
		return pathError(OpClose, h.name(), ferr)
	}
	return err
}
