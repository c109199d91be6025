package disk_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/mainstemdb/mainstem/internal/disk"
)

// TestPowerIsAFileSystem: as long as nothing crashes, nobody can tell a Power
// from the operating system's files, whatever was synced or handed down early.
func TestPowerIsAFileSystem(t *testing.T) {
	outer := t
	rapid.Check(t, func(t *rapid.T) {
		mine, theirs := outer.TempDir(), outer.TempDir()
		p, err := disk.NewPower(disk.Default, disk.PowerConfig{
			Dir: mine, Seed: rapid.Uint64().Draw(t, "seed"), Early: rapid.SampledFrom([]float64{0, 0.3, 1}).Draw(t, "early"),
		})
		if err != nil {
			t.Fatal(err)
		}
		w := &twins{t: t, fs: [2]disk.FS{p, disk.Default}, top: [2]string{mine, theirs}, open: map[string][2]disk.File{}}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			w.step()
		}
		w.compare(w.fs, w.top)
		// What is synced everywhere is on the base, and stays after a crash.
		w.syncAll("")
		w.compare([2]disk.FS{disk.Default, disk.Default}, w.top)
		crashed, err := p.Crash(1, 0.5)
		if err != nil {
			t.Fatal(err)
		}
		w.compare([2]disk.FS{crashed, disk.Default}, w.top)
		for _, f := range w.open {
			if err := errors.Join(f[0].Close(), f[1].Close()); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// twins does everything twice.
type twins struct {
	t    *rapid.T
	fs   [2]disk.FS
	top  [2]string
	open map[string][2]disk.File
}

func (w *twins) name(label string) string {
	return rapid.SampledFrom([]string{"a", "b", "d/a", "d/b", "d/e/a"}).Draw(w.t, label)
}

// both runs fn on each twin and wants the same answer: both nil, or the same
// kind of error.
func (w *twins) both(what string, fn func(fs disk.FS, path func(string) string, i int) error) bool {
	errs := [2]error{}
	for i, fs := range w.fs {
		errs[i] = fn(fs, func(name string) string { return fs.PathJoin(w.top[i], name) }, i)
	}
	for _, kind := range []error{nil, os.ErrNotExist, os.ErrExist} {
		if errors.Is(errs[0], kind) != errors.Is(errs[1], kind) {
			w.t.Fatalf("%s: the Power says %v, the operating system %v", what, errs[0], errs[1])
		}
	}
	return errs[0] == nil
}

func (w *twins) step() {
	t, name, other := w.t, w.name("name"), w.name("other")
	switch op := rapid.SampledFrom([]string{"create", "write", "write", "append", "read", "rename", "remove", "link", "mkdir", "reopen", "sync", "syncdir"}).Draw(t, "op"); op {
	case "create", "reopen":
		pair := [2]disk.File{}
		if w.both(op+" "+name, func(fs disk.FS, path func(string) string, i int) (err error) {
			if op == "create" {
				pair[i], err = disk.Create(fs, path(name))
			} else {
				pair[i], err = disk.OpenReadWrite(fs, path(name))
			}
			return err
		}) {
			if old, ok := w.open[name]; ok {
				_ = errors.Join(old[0].Close(), old[1].Close())
			}
			w.open[name] = pair
		}
	case "write", "append", "read", "sync":
		w.use(op, name)
	case "rename":
		w.both("rename "+name+" "+other, func(fs disk.FS, path func(string) string, _ int) error { return fs.Rename(path(name), path(other)) })
	case "remove":
		w.both("remove "+name, func(fs disk.FS, path func(string) string, _ int) error { return fs.Remove(path(name)) })
	case "link":
		w.both("link "+name+" "+other, func(fs disk.FS, path func(string) string, _ int) error { return fs.Link(path(name), path(other)) })
	case "mkdir":
		w.both("mkdir", func(fs disk.FS, path func(string) string, _ int) error { return fs.MkdirAll(path("d/e"), 0o755) })
	case "syncdir":
		w.both("sync", func(fs disk.FS, path func(string) string, _ int) error {
			return disk.SyncDir(fs, fs.PathDir(path(name)))
		})
	}
}

func (w *twins) use(op, name string) {
	pair, ok := w.open[name]
	if !ok {
		return
	}
	data := rapid.SliceOfN(rapid.Byte(), 1, 1500).Draw(w.t, "data")
	off := rapid.Int64Range(0, 9000).Draw(w.t, "offset")
	got := [2][]byte{}
	w.both(op+" "+name, func(_ disk.FS, _ func(string) string, i int) error {
		switch op {
		case "write":
			_, err := pair[i].WriteAt(slices.Clone(data), off)
			return err
		case "append":
			_, err := pair[i].Write(slices.Clone(data))
			return err
		case "sync":
			return pair[i].SyncData()
		}
		got[i] = make([]byte, len(data)*4)
		n, err := pair[i].ReadAt(got[i], off)
		got[i] = got[i][:n]
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return err
	})
	if string(got[0]) != string(got[1]) {
		w.t.Fatalf("read of %s at %d differs: %d and %d bytes", name, off, len(got[0]), len(got[1]))
	}
}

// syncAll syncs every file and directory below a name.
func (w *twins) syncAll(name string) {
	fs := w.fs[0]
	path := fs.PathJoin(w.top[0], name)
	info, err := fs.Stat(path)
	if err != nil {
		w.t.Fatal(err)
	}
	if !info.IsDir() {
		f, err := disk.OpenReadWrite(fs, path)
		if err == nil {
			err = errors.Join(f.Sync(), f.Close())
		}
		if err != nil {
			w.t.Fatal(err)
		}
		return
	}
	names, err := fs.List(path)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, child := range names {
		w.syncAll(fs.PathJoin(name, child))
	}
	if err := disk.SyncDir(fs, path); err != nil {
		w.t.Fatal(err)
	}
}

func (w *twins) compare(fs [2]disk.FS, top [2]string) {
	if a, b := dump(w.t, fs[0], top[0]), dump(w.t, fs[1], top[1]); a != b {
		w.t.Fatalf("the disks differ:\n%s\n%s", a, b)
	}
}

// dump prints a tree: names, sizes, and content by its sum.
func dump(t *rapid.T, fs disk.FS, path string) string {
	names, err := fs.List(path)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	out := ""
	for _, name := range names {
		if name == ".power-lock" {
			continue
		}
		child := fs.PathJoin(path, name)
		info, err := fs.Stat(child)
		if err != nil {
			t.Fatal(err)
		}
		if info.IsDir() {
			out += name + "{" + dump(t, fs, child) + "}"
			continue
		}
		data, err := disk.ReadFile(fs, child, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		sum := uint64(0)
		for _, c := range data {
			sum = sum*131 + uint64(c)
		}
		out += fmt.Sprintf("%s:%d:%x ", name, info.Size(), sum)
	}
	return out
}
