// Package meter reads what processes have used, processor time and memory, and
// what the disk was told: bytes and flushes. It reads Linux's /proc.
//
// The disk's counters are of the whole device, so anybody else who writes there
// is in them. The kernel's count for each process (write_bytes in /proc/PID/io)
// would be ours alone, but it counts the whole large folio, up to 2 MiB, that a
// small write makes dirty, and not what then goes to the disk.
package meter

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Reading is what was used up to a moment.
type Reading struct {
	CPU time.Duration
	// Written is bytes written to the device that holds the directory, and
	// Flushes how often it was flushed, by anybody; both are -1 where the
	// device does not say.
	Written, Flushes int64
}

// ticks is the unit of processor time in /proc: USER_HZ, 100 on every Linux
// that Go runs on.
const ticks = 100

// Read reads this process, or, when pid is not 0, that process and all below
// it. dir names the device.
func Read(pid int, dir string) (Reading, error) {
	var r Reading
	r.Written, r.Flushes = device(dir)
	if pid == 0 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			return r, err
		}
		r.CPU = time.Duration(u.Utime.Nano() + u.Stime.Nano())
		return r, nil
	}
	pids, err := family(pid)
	if err != nil {
		return r, err
	}
	for _, p := range pids {
		s, err := readStat(p)
		if err != nil {
			continue // ended meanwhile; its parent counts it
		}
		r.CPU += s.cpu
	}
	return r, nil
}

// Since is what was used after an earlier reading.
func (r Reading) Since(before Reading) Reading {
	d := Reading{CPU: r.CPU - before.CPU, Written: -1, Flushes: -1}
	if before.Written >= 0 && r.Written >= 0 {
		d.Written, d.Flushes = r.Written-before.Written, r.Flushes-before.Flushes
	}
	return d
}

// PeakRSS is the most memory that this process has had resident, in bytes, and RSS
// what it has now.
func PeakRSS() (int64, error) { return ownStatus("VmHWM:") }

// RSS is described with PeakRSS.
func RSS() (int64, error) { return ownStatus("VmRSS:") }

func ownStatus(name string) (int64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("meter: /proc/self/status has no %s", name)
}

type stat struct {
	parent int
	cpu    time.Duration
}

// readStat reads a process's parent and its processor time, that of its ended
// and awaited children included.
func readStat(pid int) (stat, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, err
	}
	// The name, in brackets, may hold spaces; the numbers come after it.
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	const parent, utime, cstime = 1, 11, 14
	if len(fields) <= cstime {
		return stat{}, fmt.Errorf("meter: /proc/%d/stat has %d fields", pid, len(fields))
	}
	var s stat
	if s.parent, err = strconv.Atoi(string(fields[parent])); err != nil {
		return s, err
	}
	for i := utime; i <= cstime; i++ {
		n, err := strconv.ParseInt(string(fields[i]), 10, 64)
		if err != nil {
			return s, err
		}
		s.cpu += time.Duration(n) * (time.Second / ticks)
	}
	return s, nil
}

// family is a process and everything below it.
func family(root int) ([]int, error) {
	names, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	children := map[int][]int{}
	for _, name := range names {
		pid, err := strconv.Atoi(filepath.Base(name))
		if err != nil {
			continue
		}
		if s, err := readStat(pid); err == nil {
			children[s.parent] = append(children[s.parent], pid)
		}
	}
	all := []int{root}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all, nil
}

// device reads what was written to the device under dir, and its flushes.
func device(dir string) (written, flushes int64) {
	info, err := os.Stat(dir)
	if err != nil {
		return -1, -1
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return -1, -1
	}
	b, err := os.ReadFile("/proc/diskstats")
	if err != nil {
		return -1, -1
	}
	// As in the kernel's own arithmetic of device numbers.
	major := (st.Dev>>8)&0xfff | (st.Dev>>32)&^0xfff
	minor := st.Dev&0xff | (st.Dev>>12)&0xffffff00
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		const sectors, flush, sector = 9, 18, 512
		if len(f) <= flush || f[0] != strconv.FormatUint(major, 10) || f[1] != strconv.FormatUint(minor, 10) {
			continue
		}
		w, err := strconv.ParseInt(f[sectors], 10, 64)
		if err != nil {
			return -1, -1
		}
		n, err := strconv.ParseInt(f[flush], 10, 64)
		if err != nil {
			return -1, -1
		}
		return w * sector, n
	}
	return -1, -1
}
