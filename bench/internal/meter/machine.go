package meter

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
)

// Machine is what the figures were measured on.
type Machine struct {
	Cores      int    `json:"cores"`
	CPU        string `json:"cpu"`
	MemoryMiB  int64  `json:"memory_mib"`
	Kernel     string `json:"kernel"`
	Go         string `json:"go"`
	Filesystem string `json:"filesystem"`
	// Load1 is the load average before the run: other work makes figures worse.
	Load1 float64 `json:"load1"`
}

// Describe describes this machine, and the file system of dir.
func Describe(dir string) Machine {
	m := Machine{
		Cores: runtime.NumCPU(), CPU: field("/proc/cpuinfo", "model name"), Go: runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH,
		Kernel: strings.TrimSpace(read("/proc/sys/kernel/osrelease")), Filesystem: Filesystem(dir),
	}
	var kib int64
	if _, err := fmt.Sscan(field("/proc/meminfo", "MemTotal"), &kib); err == nil {
		m.MemoryMiB = kib >> 10
	}
	if _, err := fmt.Sscan(read("/proc/loadavg"), &m.Load1); err != nil {
		m.Load1 = -1
	}
	return m
}

func read(name string) string {
	b, err := os.ReadFile(name)
	if err != nil {
		return "unknown"
	}
	return string(b)
}

// field is the first value of a "name: value" file.
func field(name, key string) string {
	for line := range strings.Lines(read(name)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return "unknown"
}

// Filesystem names the file system that holds dir.
func Filesystem(dir string) string {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return "unknown"
	}
	// The magic numbers of statfs(2).
	for magic, name := range map[int64]string{
		0xef53: "ext4", 0x58465342: "xfs", 0x9123683e: "btrfs", 0x01021994: "tmpfs", 0x858458f6: "ramfs", 0x794c7630: "overlayfs", 0x2fc12fc1: "zfs",
	} {
		if st.Type&0xffffffff == magic {
			return name
		}
	}
	return fmt.Sprintf("%#x", uint32(st.Type))
}
