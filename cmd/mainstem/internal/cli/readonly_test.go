//go:build unix

package cli_test

import (
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
