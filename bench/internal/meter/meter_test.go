package meter

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

// TestRead: work shows up as processor time, and what is synced as bytes and a flush.
func TestRead(t *testing.T) {
	before, err := Read(0, ".")
	if err != nil {
		t.Fatal(err)
	}
	const size = 1 << 20
	name := "meter_test.written"
	t.Cleanup(func() {
		if err := os.Remove(name); err != nil {
			t.Error(err)
		}
	})
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for from := time.Now(); time.Since(from) < 30*time.Millisecond; { // busy on purpose
	}
	after, err := Read(0, ".")
	if err != nil {
		t.Fatal(err)
	}
	used := after.Since(before)
	if used.CPU < time.Millisecond || used.CPU > time.Minute {
		t.Errorf("30 ms of work took %v of a processor", used.CPU)
	}
	if used.Written < 0 {
		t.Skip("not run: what the disk was told: this file system is on no device with counters")
	}
	if used.Written < size || used.Flushes < 0 {
		t.Errorf("%d bytes and %d flushes, after %d bytes were synced", used.Written, used.Flushes, size)
	}
}

// TestFamily: the processes that a server starts are counted with it.
func TestFamily(t *testing.T) {
	shell := exec.Command("sh", "-c", "exec 3<&0; cat <&3 & wait")
	in, err := shell.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := shell.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil { // cat is there
		t.Fatal(err)
	}
	pids, err := family(shell.Process.Pid)
	if err != nil || len(pids) != 2 || pids[0] != shell.Process.Pid {
		t.Errorf("the family of %d is %v, %v; want it and cat", shell.Process.Pid, pids, err)
	}
	if _, err := Read(shell.Process.Pid, "."); err != nil {
		t.Error(err)
	}
	if err := in.Close(); err != nil {
		t.Error(err)
	}
	if err := shell.Wait(); err != nil {
		t.Error(err)
	}
}

func TestDescribe(t *testing.T) {
	m := Describe(".")
	if m.Cores < 1 || m.MemoryMiB < 1 || m.CPU == "" || m.Kernel == "unknown" || m.Filesystem == "unknown" {
		t.Errorf("%+v", m)
	}
	if rss, err := PeakRSS(); err != nil || rss < 1<<20 {
		t.Errorf("peak RSS is %d, %v", rss, err)
	}
}
