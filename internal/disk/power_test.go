package disk_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/mainstemdb/mainstem/internal/disk"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("DISK_TEST_VICTIM"); dir != "" {
		victim(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

func newPower(t *testing.T, cfg disk.PowerConfig) *disk.Power {
	t.Helper()
	p, err := disk.NewPower(disk.NewMem(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func create(t *testing.T, fs disk.FS, name string, data []byte) disk.File {
	t.Helper()
	f, err := disk.Create(fs, name)
	must(t, err)
	if len(data) > 0 {
		_, err = f.WriteAt(data, 0)
		must(t, err)
	}
	return f
}

// after returns what a file holds after a crash; nil if it is gone.
func after(t *testing.T, p *disk.Power, seed uint64, keep float64, name string) []byte {
	t.Helper()
	fs, err := p.Crash(seed, keep)
	must(t, err)
	data, err := disk.ReadFile(fs, name, 1<<20)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	must(t, err)
	return append([]byte{}, data...)
}

// TestPowerRules: what survives a power cut when nothing unsynced does.
func TestPowerRules(t *testing.T) {
	p := newPower(t, disk.PowerConfig{})
	f := create(t, p, "a", []byte("one"))
	must(t, f.Sync())
	if after(t, p, 1, 0, "a") != nil {
		t.Error("a name survives although its directory was not synced")
	}
	must(t, disk.SyncDir(p, "."))
	if got := after(t, p, 1, 0, "a"); string(got) != "one" {
		t.Errorf("synced bytes of a synced name: %q", got)
	}
	_, err := f.WriteAt([]byte("two, longer"), 0)
	must(t, err)
	if got := after(t, p, 1, 0, "a"); string(got) != "one" {
		t.Errorf("after an unsynced write: %q", got)
	}
	if got := after(t, p, 1, 1, "a"); string(got) != "two, longer" {
		t.Errorf("keeping everything: %q", got)
	}
	must(t, f.SyncData())
	must(t, p.Rename("a", "b"))
	if got := after(t, p, 1, 0, "a"); string(got) != "two, longer" {
		t.Errorf("the old name of an unsynced rename: %q", got)
	}
	must(t, p.MkdirAll("d", 0o755))
	must(t, create(t, p, "d/x", []byte("x")).Sync())
	must(t, disk.SyncDir(p, "d"))
	if after(t, p, 1, 0, "d/x") != nil {
		t.Error("a file survives in a directory whose parent was not synced")
	}
	must(t, disk.SyncDir(p, "."))
	if got := after(t, p, 1, 0, "d/x"); string(got) != "x" {
		t.Errorf("a synced file in a directory that was synced before its parent: %q", got)
	}
	if after(t, p, 1, 0, "a") != nil || string(after(t, p, 1, 0, "b")) != "two, longer" {
		t.Error("a synced rename is not durable")
	}
	must(t, p.Remove("b"))
	if after(t, p, 1, 0, "b") == nil {
		t.Error("an unsynced remove is durable")
	}
	must(t, disk.SyncDir(p, "."))
	if after(t, p, 1, 0, "b") != nil {
		t.Error("a synced remove is not durable")
	}
	if _, err := f.ReadAt(make([]byte, 3), 0); err != nil {
		t.Errorf("reading an open file that has no name any more: %v", err)
	}
}

// TestPowerTearsSectors: unsynced data survives in whole sectors, in every
// combination; a rename is never half done; sizes and reserved space vary.
func TestPowerTearsSectors(t *testing.T) {
	p := newPower(t, disk.PowerConfig{})
	old, fresh := bytes.Repeat([]byte{1}, 4*disk.Sector), bytes.Repeat([]byte{2}, 6*disk.Sector)
	f := create(t, p, "a", old)
	must(t, f.Sync())
	must(t, disk.SyncDir(p, "."))
	_, err := f.WriteAt(fresh, 0)
	must(t, err)
	must(t, f.Preallocate(0, 10*disk.Sector))
	must(t, p.Rename("a", "b"))
	patterns, sizes, names := map[string]bool{}, map[int]bool{}, map[string]bool{}
	for seed := range uint64(600) {
		fs, err := p.Crash(seed, 0.5)
		must(t, err)
		list, err := fs.List("")
		must(t, err)
		if len(list) != 1 {
			t.Fatalf("seed %d: a rename is half done: %v", seed, list)
		}
		names[list[0]] = true
		data, err := disk.ReadFile(fs, list[0], 1<<20)
		must(t, err)
		sizes[len(data)] = true
		pattern := ""
		for s := range 4 {
			sector := data[s*disk.Sector : (s+1)*disk.Sector]
			if !slices.Equal(sector, old[:disk.Sector]) && !slices.Equal(sector, fresh[:disk.Sector]) {
				t.Fatalf("seed %d: sector %d is torn", seed, s)
			}
			pattern += strconv.Itoa(int(sector[0]))
		}
		patterns[pattern] = true
	}
	if len(patterns) != 16 || len(names) != 2 || !sizes[4*disk.Sector] || !sizes[6*disk.Sector] || len(sizes) < 50 {
		t.Errorf("600 crashes showed %d of 16 sector patterns, %d of 2 names, %d sizes", len(patterns), len(names), len(sizes))
	}
}

func TestPowerExcludesAnother(t *testing.T) {
	base := disk.NewMem()
	p, err := disk.NewPower(base, disk.PowerConfig{})
	must(t, err)
	if _, err := disk.NewPower(base, disk.PowerConfig{}); err == nil {
		t.Error("two Powers over one directory")
	}
	lock, err := disk.LockDir(p, ".")
	must(t, err)
	if _, err := disk.LockDir(p, "."); err == nil {
		t.Error("a directory was locked twice")
	}
	must(t, lock.Close())
	must(t, p.Close())
	if _, err := disk.Create(p, "x"); err == nil {
		t.Error("a closed Power still works")
	}
}

// victim writes and syncs numbers until it is killed: in each round a value to
// "data", synced, then the same value to standard output, then an unsynced one.
func victim(dir string) {
	p, err := disk.NewPower(disk.Default, disk.PowerConfig{Dir: dir, Early: 0.3, Seed: 1})
	if err != nil {
		panic(err)
	}
	f, err := disk.Create(p, dir+"/data")
	if err != nil {
		panic(err)
	}
	if err := disk.SyncDir(p, dir); err != nil {
		panic(err)
	}
	for n := uint64(1); ; n++ {
		synced := fmt.Appendf(nil, "%020d", n)
		_, werr := f.WriteAt(synced, 0)
		if err := errors.Join(werr, f.Sync()); err != nil {
			panic(err)
		}
		fmt.Printf("%020d\n", n)
		_, werr = f.WriteAt([]byte("unsynced"), 4096)
		if _, err := disk.Create(p, dir+"/unsynced-"+strconv.FormatUint(n, 10)); err != nil || werr != nil {
			panic(errors.Join(err, werr))
		}
	}
}

// TestSIGKILLIsAPowerCut: after SIGKILL the operating system's files hold what
// the victim had synced.
func TestSIGKILLIsAPowerCut(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "DISK_TEST_VICTIM="+dir)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	line := make([]byte, 21*300)
	got := 0
	for got < len(line) {
		n, err := out.Read(line[got:])
		must(t, err)
		got += n
	}
	must(t, cmd.Process.Signal(syscall.SIGKILL))
	_ = cmd.Wait() // killed, as ordered
	data, err := os.ReadFile(dir + "/data")
	must(t, err)
	shown, err := strconv.Atoi(string(line[21*299 : 21*299+20]))
	must(t, err)
	kept, err := strconv.Atoi(string(data[:20]))
	must(t, err)
	if kept < shown {
		t.Errorf("the file holds %d, but %d had been synced", kept, shown)
	}
	left, err := os.ReadDir(dir)
	must(t, err)
	if n := len(left) - 2; n >= kept-1 || n < 1 { // data, .power-lock
		t.Errorf("%d of %d unsynced names survived: want some and not all", n, kept)
	}
	p, err := disk.NewPower(disk.Default, disk.PowerConfig{Dir: dir})
	must(t, err)
	names, err := p.List(dir)
	must(t, err)
	for _, name := range names {
		if name[0] == '.' {
			t.Errorf("%s shows through", name)
		}
	}
	must(t, p.Close())
}
