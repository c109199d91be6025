package disk

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// powerFile is an open file or directory of a Power.
type powerFile struct {
	p     *Power
	n     *node
	name  string
	pos   int64
	write bool
	shut  bool
}

var _ File = (*powerFile)(nil)

var errPowerOff = errors.New("disk: the power is off: this Power was closed")

// begin takes the lock and checks that the handle may be used.
func (f *powerFile) begin(op string, directory bool) error {
	f.p.mu.Lock()
	err := error(nil)
	switch {
	case f.p.off:
		err = errPowerOff
	case f.shut:
		err = os.ErrClosed
	case f.n.dir != directory:
		err = fmt.Errorf("wrong kind: directory is %v", f.n.dir)
	}
	if err != nil {
		f.p.mu.Unlock()
		return &os.PathError{Op: op, Path: f.name, Err: err}
	}
	return nil
}

func (f *powerFile) Close() error {
	if err := f.begin("close", f.n.dir); err != nil {
		if errors.Is(err, errPowerOff) {
			return nil
		}
		return err
	}
	defer f.p.mu.Unlock()
	f.shut = true
	f.n.opens--
	return nil
}

func (f *powerFile) Read(b []byte) (int, error) {
	if err := f.begin("read", false); err != nil {
		return 0, err
	}
	defer f.p.mu.Unlock()
	n, err := f.p.read(f.n, b, f.pos)
	f.pos += int64(n)
	if n > 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

func (f *powerFile) ReadAt(b []byte, off int64) (int, error) {
	if err := f.begin("read", false); err != nil {
		return 0, err
	}
	defer f.p.mu.Unlock()
	return f.p.read(f.n, b, off)
}

func (f *powerFile) Write(b []byte) (int, error) {
	n, err := f.WriteAt(b, f.pos)
	f.pos += int64(n)
	return n, err
}

func (f *powerFile) WriteAt(b []byte, off int64) (int, error) {
	if err := f.begin("write", false); err != nil {
		return 0, err
	}
	defer f.p.mu.Unlock()
	if !f.write {
		return 0, &os.PathError{Op: "write", Path: f.name, Err: os.ErrPermission}
	}
	if err := f.p.writeAt(f.n, b, off); err != nil {
		return 0, &os.PathError{Op: "write", Path: f.name, Err: err}
	}
	return len(b), nil
}

// Preallocate reserves room, as the operating system's files do: the size
// stays, but after a crash the file may be that long, with zeros.
func (f *powerFile) Preallocate(offset, length int64) error {
	if err := f.begin("preallocate", f.n.dir); err != nil {
		return err
	}
	defer f.p.mu.Unlock()
	f.n.reserved = max(f.n.reserved, offset+length)
	return nil
}

func (f *powerFile) Stat() (vfs.FileInfo, error) {
	if err := f.begin("stat", f.n.dir); err != nil {
		return nil, err
	}
	defer f.p.mu.Unlock()
	return f.n.info(f.p.base.PathBase(f.name)), nil
}

func (f *powerFile) Sync() error {
	if err := f.begin("sync", f.n.dir); err != nil {
		return err
	}
	defer f.p.mu.Unlock()
	if f.n.dir {
		return f.p.syncDir(f.n)
	}
	return f.p.syncFile(f.n)
}

func (f *powerFile) SyncData() error { return f.Sync() }

// SyncTo syncs all of the file, as file systems without ranged syncs do.
func (f *powerFile) SyncTo(int64) (bool, error) {
	if f.n.dir {
		return false, nil
	}
	return true, f.Sync()
}

// Forget does to the file's unsynced bytes what Linux does after a failed
// fsync: they stay readable and count as clean, so that no later sync writes
// them, unless they are written again.
func (f *powerFile) Forget() {
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	for _, pg := range f.n.pages {
		pg.ghost |= pg.dirty
		pg.dirty = 0
	}
}

func (f *powerFile) Prefetch(int64, int64) error { return nil }

func (f *powerFile) Fd() uintptr { return vfs.InvalidFd }

// read reads the running view of a file.
func (p *Power) read(n *node, b []byte, off int64) (int, error) {
	if off >= n.size {
		if len(b) == 0 {
			return 0, nil
		}
		return 0, io.EOF
	}
	got := b[:min(int64(len(b)), n.size-off)]
	if err := p.readDurable(n, got, off); err != nil {
		return 0, err
	}
	if len(n.pages) > 0 {
		for at := off / Sector * Sector; at < off+int64(len(got)); at += Sector {
			pg := n.pages[at/powerPage]
			if pg == nil || (pg.dirty|pg.ghost)&(1<<(at%powerPage/Sector)) == 0 {
				continue
			}
			from, to := max(at, off), min(at+Sector, off+int64(len(got)))
			copy(got[from-off:to-off], pg.data[from%powerPage:])
		}
	}
	if len(got) < len(b) {
		return len(got), io.EOF
	}
	return len(got), nil
}

// writeAt changes the running view of a file.
func (p *Power) writeAt(n *node, b []byte, off int64) error {
	for at := off / Sector * Sector; at < off+int64(len(b)); at += Sector {
		pg := n.pages[at/powerPage]
		if pg == nil {
			pg = &page{}
			n.pages[at/powerPage] = pg
		}
		bit := uint8(1) << (at % powerPage / Sector)
		from, to := max(at, off), min(at+Sector, off+int64(len(b)))
		mine := pg.data[at%powerPage : at%powerPage+Sector]
		if (pg.dirty|pg.ghost)&bit == 0 && to-from < Sector {
			if err := p.readDurable(n, mine, at); err != nil {
				return err
			}
		}
		copy(mine[from-at:to-at], b[from-off:to-off])
		pg.dirty |= bit
		pg.ghost &^= bit
	}
	n.size = max(n.size, off+int64(len(b)))
	n.mod = time.Now()
	if p.early == 0 {
		return nil
	}
	for at := off / Sector * Sector; at < off+int64(len(b)); at += Sector {
		if p.rng.Float64() < p.early {
			if err := p.handDown(n, at/powerPage, at%powerPage/Sector); err != nil {
				return err
			}
		}
	}
	return nil
}

func (n *node) info(name string) vfs.FileInfo {
	return powerInfo{name: name, size: n.size, mod: n.mod, dir: n.dir}
}

// powerInfo describes a file of a Power.
type powerInfo struct {
	name string
	size int64
	mod  time.Time
	dir  bool
}

func (i powerInfo) Name() string           { return i.name }
func (i powerInfo) Size() int64            { return i.size }
func (i powerInfo) ModTime() time.Time     { return i.mod }
func (i powerInfo) IsDir() bool            { return i.dir }
func (i powerInfo) Sys() any               { return nil }
func (i powerInfo) DeviceID() vfs.DeviceID { return vfs.DeviceID{} }

func (i powerInfo) Mode() os.FileMode {
	if i.dir {
		return os.ModeDir | 0o755
	}
	return 0o644
}
