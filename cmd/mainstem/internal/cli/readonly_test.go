//go:build unix

package cli_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// nobody is a user without rights, to whom permissions apply when the test
// itself runs as one to whom they do not.
const nobody = 65534

// TestReadOnlyDirectory: a write to a database whose files cannot be written
// says so, and loses nothing.
func TestReadOnlyDirectory(t *testing.T) {
	t.Parallel()
	base := publicDir(t)
	if got := mainstem(t, base, "", "put", "a/b", "c"); got.code != 0 {
		t.Fatal(got)
	}
	permit(t, base, 0o555, 0o444)
	t.Cleanup(func() { permit(t, base, 0o755, 0o644) })
	code, said := unprivileged(t, base, "put", "a/b", "d")
	if code != 1 || !strings.Contains(said, "permission") || !strings.Contains(said, "right to write") {
		t.Errorf("exit code %d, %s", code, said)
	}
	permit(t, base, 0o755, 0o644)
	if got := mainstem(t, base, "", "get", "a/b"); got.code != 0 || strings.TrimSpace(got.out) != "c" {
		t.Errorf("afterwards: %+v", got)
	}
}

// TestReadOnlyFlag: without the right to write, what only reads says which flag
// lets it, and with the flag it reads and changes nothing.
func TestReadOnlyFlag(t *testing.T) {
	t.Parallel()
	base := publicDir(t)
	for _, args := range [][]string{{"put", "a/b", "value"}, {"append", "a/s", "value", "--type", "t"}} {
		if got := mainstem(t, base, "", args...); got.code != 0 {
			t.Fatal(got)
		}
	}
	permit(t, base, 0o555, 0o444)
	t.Cleanup(func() { permit(t, base, 0o755, 0o644) })
	before := tree(t, base)
	for _, args := range [][]string{{"get", "a/b"}, {"get", "a/b", "--at", "1"}, {"scan", "a/"}, {"read", "a/s"}, {"export"}, {"feed"}} {
		code, said := unprivileged(t, base, args...)
		if code != 1 || !strings.Contains(said, "with --read-only") {
			t.Errorf("%q: exit code %d, %s", args, code, said)
		}
		code, said = unprivileged(t, base, append(args, "--read-only")...)
		if code != 0 || !strings.Contains(said, "value") {
			t.Errorf("%q with --read-only: exit code %d, %s", args, code, said)
		}
		if got := mainstem(t, base, "", append(args, "--read-only")...); got.code != 0 { // with every right
			t.Errorf("%q with --read-only: %+v", args, got)
		}
	}
	if code, said := unprivileged(t, base, "inspect"); code != 0 {
		t.Errorf("inspect: exit code %d, %s", code, said)
	}
	if after := tree(t, base); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	permit(t, base, 0o755, 0o600)
	if os.Geteuid() != 0 {
		return // whose files they are can read them
	}
	if code, said := unprivileged(t, base, "get", "a/b", "--read-only"); code != 1 || !strings.Contains(said, "right to read") {
		t.Errorf("unreadable files: exit code %d, %s", code, said)
	}
}

// tree is what a directory holds, with sizes and times of change.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			fmt.Fprintf(&b, "%s %d %s\n", path, info.Size(), info.ModTime())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// publicDir is a temporary directory that every user may enter.
func publicDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "mainstem-readonly-") //nolint:usetesting // t.TempDir is closed to others
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func permit(t *testing.T, dir string, directories, files fs.FileMode) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.Chmod(path, directories)
		}
		return os.Chmod(path, files)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// unprivileged runs a command as a user to whom permissions apply.
func unprivileged(t *testing.T, dir string, args ...string) (code int, said string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	attributes := &syscall.SysProcAttr{}
	if os.Geteuid() == 0 {
		attributes.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
		// Another process copies: a descriptor that is open for writing in this
		// one could be inherited by a command that starts meanwhile, and the
		// copy would be too busy to run.
		public := filepath.Join(publicDir(t), "mainstem")
		if out, err := exec.Command("cp", exe, public).CombinedOutput(); err != nil {
			t.Fatalf("cp: %v: %s", err, out)
		}
		if err := os.Chmod(public, 0o755); err != nil {
			t.Fatal(err)
		}
		exe = public
	}
	cmd := exec.Command(exe, args...)
	cmd.Dir, cmd.SysProcAttr = dir, attributes
	cmd.Env = append(os.Environ(), "MAINSTEM_TEST_BINARY=1", "MAINSTEM_DIR=", "NO_COLOR=")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}
