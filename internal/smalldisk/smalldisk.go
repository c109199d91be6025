//go:build linux

// Package smalldisk is a disk for tests that can be full: a file system in memory,
// mounted for one test.
package smalldisk

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Disk is one of 160 MiB.
type Disk struct {
	t *testing.T
	// Dir is where it is mounted.
	Dir    string
	filler string
}

// New mounts a disk until the test ends; without the right to mount, the test is not
// run, and says so.
func New(t *testing.T) *Disk {
	t.Helper()
	dir, err := os.MkdirTemp("", "full-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=160m,mode=755"); err != nil {
		t.Skipf("not run: a disk that is full, which takes the right to mount one (%v); run as root", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, 0) })
	return &Disk{t, dir, filepath.Join(dir, "filler")}
}

// Fill leaves no byte.
func (d *Disk) Fill() {
	d.t.Helper()
	f, err := os.OpenFile(d.filler, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			d.t.Fatal(err)
		}
	}
}

// Empty gives back what Fill took.
func (d *Disk) Empty() {
	d.t.Helper()
	if err := os.Remove(d.filler); err != nil {
		d.t.Fatal(err)
	}
}
