package disk_test

import (
	"errors"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem/internal/disk"
)

func TestFaults(t *testing.T) {
	fs := disk.NewFaults(disk.NewMem())
	f := create(t, fs, "a.log", []byte("abc"))
	before := fs.Seen()
	if before != 2 {
		t.Errorf("create and write count as %d operations", before)
	}
	fs.Inject(disk.Fault{At: before + 2, Err: disk.ErrIO})
	must(t, f.Sync())
	if err := f.Sync(); !errors.Is(err, disk.ErrIO) {
		t.Errorf("the operation ordered to fail: %v", err)
	}
	must(t, f.Sync())
	fs.Inject(disk.Fault{Kind: disk.OpWrite, Path: "*.log", Err: disk.ErrFull, Torn: 2, Stays: true})
	create(t, fs, "a.txt", []byte("other files are spared"))
	for range 2 {
		if n, err := f.WriteAt([]byte("XYZ"), 0); n != 2 || !disk.IsFull(err) {
			t.Errorf("a torn write: %d, %v", n, err)
		}
	}
	fs.Heal()
	data, err := disk.ReadFile(fs, "a.log", 10)
	must(t, err)
	if string(data) != "XYc" {
		t.Errorf("after a write torn at 2: %q", data)
	}
	if fs.Injected() != 3 {
		t.Errorf("counted %d injected errors of 3", fs.Injected())
	}
}

func TestFaultsSwallowAndHang(t *testing.T) {
	p := newPower(t, disk.PowerConfig{})
	fs := disk.NewFaults(p)
	f := create(t, fs, "a", []byte("abc"))
	must(t, disk.SyncDir(fs, "."))
	fs.Inject(disk.Fault{Kind: disk.OpSync, Swallow: true})
	must(t, f.Sync())
	if got := after(t, p, 1, 0, "a"); len(got) != 0 {
		t.Errorf("a swallowed sync made %q durable", got)
	}
	release, struck, done := make(chan struct{}), make(chan struct{}, 1), make(chan error)
	fs.Inject(disk.Fault{Kind: disk.OpSync, Hang: release, Struck: struck, Delay: time.Microsecond})
	go func() { done <- f.SyncData() }()
	<-struck
	select {
	case <-done:
		t.Error("a sync that was to hang returned")
	default:
	}
	close(release)
	must(t, <-done)
	if got := after(t, p, 1, 0, "a"); string(got) != "abc" {
		t.Errorf("after the sync was released: %q", got)
	}
}

func TestWriteFileIsAtomic(t *testing.T) {
	for n := int64(1); ; n++ {
		p := newPower(t, disk.PowerConfig{Seed: uint64(n), Early: 0.3})
		fs := disk.NewFaults(p)
		must(t, disk.WriteFile(fs, "f", []byte("old")))
		start := fs.Seen()
		fs.Inject(disk.Fault{At: start + n, Err: disk.ErrIO})
		err := disk.WriteFile(fs, "f", []byte("new"))
		for seed := range uint64(20) {
			got := string(after(t, p, seed, 0.5, "f"))
			if got != "new" && (err == nil || got != "old") {
				t.Fatalf("operation %d fails (%v), then a crash: %q", n, err, got)
			}
		}
		if fs.Injected() == 0 {
			return // beyond the last operation
		}
		if err == nil {
			t.Fatalf("the error of operation %d did not come out", n)
		}
	}
}

func TestMkdirAllIsDurable(t *testing.T) {
	p := newPower(t, disk.PowerConfig{})
	must(t, disk.MkdirAll(p, "a/b/c"))
	fs, err := p.Crash(1, 0)
	must(t, err)
	if there, err := disk.Exists(fs, "a/b/c"); err != nil || !there {
		t.Errorf("a/b/c is there: %v, %v", there, err)
	}
}

func TestWeakness(t *testing.T) {
	if w := disk.Weakness(disk.NewMem(), "/"); w != "" {
		t.Errorf("a memory FS is not judged by the machine's: %q", w)
	}
	if w := disk.Weakness(disk.Default, "/dev/shm"); w == "" {
		t.Log("not run: /dev/shm is no tmpfs here")
	}
}

func TestLockNamesOneDirectoryOnce(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	lock, err := disk.LockDir(disk.Default, dir)
	must(t, err)
	if _, err := disk.LockDir(disk.Default, "."); err == nil {
		t.Error("the same directory was locked under another name")
	}
	must(t, lock.Close())
}
