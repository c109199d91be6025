package disk

import (
	"errors"
	"io"
	"os"
	"slices"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// look walks to a name and returns its directory, its last element, and its
// node, which is nil when there is none. The top has no directory.
func (p *Power) look(op, name string) (dir *node, base string, n *node, err error) {
	fail := func(err error) (*node, string, *node, error) {
		return nil, "", nil, &os.PathError{Op: op, Path: name, Err: err}
	}
	if p.off {
		return fail(errPowerOff)
	}
	parts, ok := p.split(name)
	if !ok {
		return fail(errOutside)
	}
	if err := p.load(p.root); err != nil {
		return fail(err)
	}
	n = p.root
	for i, part := range parts {
		if n == nil {
			return fail(syscall.ENOENT)
		}
		if !n.dir {
			return fail(syscall.ENOTDIR)
		}
		if err := p.load(n); err != nil {
			return fail(err)
		}
		dir, base = n, part
		if n = dir.names[part]; n == nil && i < len(parts)-1 {
			return fail(syscall.ENOENT)
		}
	}
	if n != nil {
		err = p.opened(n)
	}
	return dir, base, n, err
}

var errOutside = errors.New("the name is outside the directory that this Power holds")

func (p *Power) handle(n *node, name string, write bool) *powerFile {
	n.opens++
	return &powerFile{p: p, n: n, name: name, write: write}
}

// Create implements FS.
func (p *Power) Create(name string, _ vfs.DiskWriteCategory) (File, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	dir, base, old, err := p.look("create", name)
	if err != nil {
		return nil, err
	}
	if dir == nil || old != nil && old.dir {
		return nil, &os.PathError{Op: "create", Path: name, Err: syscall.EISDIR}
	}
	n := newFile()
	if err := p.enter(effect{dir, base, n}); err != nil {
		return nil, err
	}
	return p.handle(n, name, true), nil
}

// Link implements FS.
func (p *Power) Link(oldname, newname string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _, n, err := p.look("link", oldname)
	if err != nil {
		return err
	}
	dir, base, there, err := p.look("link", newname)
	switch {
	case err != nil:
		return err
	case n == nil:
		return &os.LinkError{Op: "link", Old: oldname, New: newname, Err: syscall.ENOENT}
	case there != nil:
		return &os.LinkError{Op: "link", Old: oldname, New: newname, Err: syscall.EEXIST}
	case n.dir:
		return &os.LinkError{Op: "link", Old: oldname, New: newname, Err: syscall.EPERM}
	}
	return p.enter(effect{dir, base, n})
}

// Open implements FS.
func (p *Power) Open(name string, opts ...vfs.OpenOption) (File, error) {
	p.mu.Lock()
	_, _, n, err := p.look("open", name)
	if err == nil && n == nil {
		err = &os.PathError{Op: "open", Path: name, Err: syscall.ENOENT}
	}
	if err != nil {
		p.mu.Unlock()
		return nil, err
	}
	f := p.handle(n, name, false)
	p.mu.Unlock()
	for _, opt := range opts {
		opt.Apply(f)
	}
	return f, nil
}

// OpenReadWrite implements FS.
func (p *Power) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (File, error) {
	p.mu.Lock()
	_, _, n, err := p.look("open", name)
	if err != nil {
		p.mu.Unlock()
		return nil, err
	}
	if n == nil {
		p.mu.Unlock()
		return p.Create(name, category)
	}
	if n.dir {
		p.mu.Unlock()
		return nil, &os.PathError{Op: "open", Path: name, Err: syscall.EISDIR}
	}
	f := p.handle(n, name, true)
	p.mu.Unlock()
	for _, opt := range opts {
		opt.Apply(f)
	}
	return f, nil
}

// OpenDir implements FS.
func (p *Power) OpenDir(name string) (File, error) {
	f, err := p.Open(name)
	if errors.Is(err, errOutside) {
		return p.base.OpenDir(name)
	}
	return f, err
}

// Remove implements FS.
func (p *Power) Remove(name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	dir, base, n, err := p.look("remove", name)
	if err != nil {
		return err
	}
	if n == nil || dir == nil {
		return &os.PathError{Op: "remove", Path: name, Err: syscall.ENOENT}
	}
	if n.dir {
		if err := p.load(n); err != nil {
			return err
		}
		if len(n.names) > 0 {
			return &os.PathError{Op: "remove", Path: name, Err: syscall.ENOTEMPTY}
		}
	}
	return p.enter(effect{dir, base, nil})
}

// RemoveAll implements FS.
func (p *Power) RemoveAll(name string) error {
	names, err := p.List(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil {
		for _, child := range names {
			if err := p.RemoveAll(p.PathJoin(name, child)); err != nil {
				return err
			}
		}
	} else if !errors.Is(err, syscall.ENOTDIR) {
		return err
	}
	return p.Remove(name)
}

// Rename implements FS.
func (p *Power) Rename(oldname, newname string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	from, fromName, n, err := p.look("rename", oldname)
	if err != nil {
		return err
	}
	to, toName, there, err := p.look("rename", newname)
	switch {
	case err != nil:
		return err
	case n == nil || from == nil:
		return &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: syscall.ENOENT}
	case to == nil || there != nil && there.dir:
		return &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: syscall.EEXIST}
	case there == n:
		return nil // POSIX: two names of one file, nothing happens
	}
	return p.enter(effect{from, fromName, nil}, effect{to, toName, n})
}

// ReuseForWrite implements FS.
func (p *Power) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (File, error) {
	if err := p.Rename(oldname, newname); err != nil {
		return nil, err
	}
	return p.OpenReadWrite(newname, category)
}

// MkdirAll implements FS.
func (p *Power) MkdirAll(name string, perm os.FileMode) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	parts, ok := p.split(name)
	if !ok {
		return p.base.MkdirAll(name, perm)
	}
	if p.off {
		return errPowerOff
	}
	at := p.root
	for _, part := range parts {
		if err := p.load(at); err != nil {
			return err
		}
		next := at.names[part]
		if next == nil {
			next = newDir()
			if err := p.enter(effect{at, part, next}); err != nil {
				return err
			}
		}
		if !next.dir {
			return &os.PathError{Op: "mkdir", Path: name, Err: syscall.ENOTDIR}
		}
		at = next
	}
	return nil
}

// Lock implements FS. The lock excludes other users of this Power; the base
// is locked as a whole, by NewPower.
func (p *Power) Lock(name string) (io.Closer, error) {
	f, err := p.OpenReadWrite(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, err
	}
	pf := f.(*powerFile) //nolint:forcetypeassert // ours
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.locks[pf.n] {
		return nil, &os.PathError{Op: "lock", Path: name, Err: syscall.EAGAIN}
	}
	p.locks[pf.n] = true
	return &powerLock{pf}, nil
}

type powerLock struct{ f *powerFile }

func (l *powerLock) Close() error {
	l.f.p.mu.Lock()
	delete(l.f.p.locks, l.f.n)
	l.f.p.mu.Unlock()
	return l.f.Close()
}

// List implements FS.
func (p *Power) List(name string) ([]string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _, n, err := p.look("list", name)
	if errors.Is(err, errOutside) {
		return p.base.List(name)
	}
	if err != nil {
		return nil, err
	}
	if n == nil {
		return nil, &os.PathError{Op: "list", Path: name, Err: syscall.ENOENT}
	}
	if !n.dir {
		return nil, &os.PathError{Op: "list", Path: name, Err: syscall.ENOTDIR}
	}
	if err := p.load(n); err != nil {
		return nil, err
	}
	names := []string{}
	for name := range n.names {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

// Stat implements FS.
func (p *Power) Stat(name string) (vfs.FileInfo, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, base, n, err := p.look("stat", name)
	if errors.Is(err, errOutside) {
		return p.base.Stat(name)
	}
	if err != nil {
		return nil, err
	}
	if n == nil {
		return nil, &os.PathError{Op: "stat", Path: name, Err: syscall.ENOENT}
	}
	return n.info(base), nil
}
