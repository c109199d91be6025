package strace

import (
	"strings"
	"testing"
)

// TestRead reads traces as strace 6 writes them, with calls of several
// processes cut in two by each other.
func TestRead(t *testing.T) {
	begin := `7 faccessat(AT_FDCWD</x>, "mainstem-bench-op-begins", F_OK) = -1 ENOENT (No such file or directory)` + "\n"
	end := `7 faccessat(AT_FDCWD</x>, "mainstem-bench-op-ends", F_OK) = -1 ENOENT (No such file or directory)` + "\n"
	window := func(s string) string {
		return `7 access("mainstem-bench-window-begins", F_OK) = -1 ENOENT` + "\n" + s + `7 access("mainstem-bench-window-ends", F_OK) = -1 ENOENT` + "\n"
	}
	for _, c := range []struct {
		what, trace string
		want        Report
	}{
		{
			"written, synced, answered",
			window(begin + "8 pwrite64(9</d/log>, \"x\", 1, 0) = 1\n8 fdatasync(9</d/log>) = 0\n" + end),
			Report{Ops: 1, Syncs: 1},
		},
		{
			"another thread's call in between",
			window(begin + "8 write(9</d/log>, \"x\"..., 1 <unfinished ...>\n9 write(4<socket:[1]>, \"y\", 1) = 1\n8 <... write resumed>) = 1\n" +
				"8 fsync(9</d/log> <unfinished ...>\n9 fdatasync(5</elsewhere>) = 0\n8 <... fsync resumed>) = 0\n" + end),
			Report{Ops: 1, Syncs: 1},
		},
		{"not synced", window(begin + "8 pwrite64(9</d/log>, \"x\", 1, 0) = 1\n" + end), Report{Ops: 1, Unsynced: 1}},
		{"nothing written", window(begin + "8 fdatasync(9</d/log>) = 0\n" + end), Report{Ops: 1, Unsynced: 1, Syncs: 1}},
		{
			"synced only after the answer",
			window(begin + "8 write(9</d/log>, \"x\", 1) = 1\n8 fdatasync(9</d/log> <unfinished ...>\n" + end + "8 <... fdatasync resumed>) = 0\n"),
			Report{Ops: 1, Unsynced: 1, Syncs: 1},
		},
		{"another file synced", begin + "8 write(9</d/log>, \"x\", 1) = 1\n8 fsync(9</d/other>) = 0\n" + end, Report{Ops: 1, Unsynced: 1}},
		{
			"a sync that began before the write",
			window(begin + "9 fdatasync(9</d/log> <unfinished ...>\n8 pwrite64(9</d/log>, \"x\", 1, 0) = 1\n9 <... fdatasync resumed>) = 0\n" + end),
			Report{Ops: 1, Unsynced: 1, Syncs: 1},
		},
		{
			"a sync that began before the request",
			window("8 pwrite64(9</d/log>, \"x\", 1, 0) = 1\n9 fdatasync(9</d/log> <unfinished ...>\n" + begin + "8 pwrite64(9</d/log>, \"x\", 1, 0) = 1\n9 <... fdatasync resumed>) = 0\n" + end),
			Report{Ops: 1, Unsynced: 1, Syncs: 1},
		},
		{"a neighbour's directory", window(begin + "8 write(9</d-node/log>, \"x\", 1) = 1\n8 fdatasync(9</d-node/log>) = 0\n" + end), Report{Ops: 1, Unsynced: 1}},
		{"a sync that failed", window(begin + "8 write(9</d/log>, \"x\", 1) = 1\n8 fsync(9</d/log>) = -1 EIO (Input/output error)\n" + end), Report{Ops: 1, Unsynced: 1}},
		{
			"a file whose every write is a sync",
			"8 openat(AT_FDCWD</d>, \"blk\", O_RDWR|O_CREAT|O_SYNC|O_CLOEXEC, 0640) = 9</d/blk>\n" +
				window(begin+"8 pwrite64(9</d/blk>, \"x\", 1, 0) = 1\n"+end),
			Report{Ops: 1, Syncs: 1},
		},
		{
			"opened anew without",
			"8 openat(AT_FDCWD</d>, \"blk\", O_RDWR|O_DSYNC <unfinished ...>\n8 <... openat resumed>) = 9</d/blk>\n" +
				"8 openat(AT_FDCWD</d>, \"blk\", O_RDWR) = 9</d/blk>\n" + begin + "8 pwrite64(9</d/blk>, \"x\", 1, 0) = 1\n" + end,
			Report{Ops: 1, Unsynced: 1},
		},
	} {
		got, err := Read(strings.NewReader(c.trace), "/d")
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v; want %+v", c.what, got, err, c.want)
		}
	}
}
