//go:build unix

package cli_test

import (
	"bufio"
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestFollowEndsWhenTold: interrupting is how a follower ends, so that its exit
// code is 0.
func TestFollowEndsWhenTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if got := mainstem(t, dir, "", "put", "a/b", "c"); got.code != 0 {
		t.Fatal(got)
	}
	for _, signal := range []os.Signal{syscall.SIGINT, syscall.SIGTERM} {
		if code, said := interrupted(t, dir, signal, "feed", "--follow"); code != 0 || said != "" {
			t.Errorf("%s: exit code %d: %s", signal, code, said)
		}
	}
}

// interrupted runs a command, and sends the signal when its first byte is there.
func interrupted(t *testing.T, dir string, signal os.Signal, args ...string) (code int, said string) {
	t.Helper()
	cmd := binary(t, dir, args...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	if _, err := lines.ReadByte(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	_, _ = lines.WriteTo(&strings.Builder{}) // until the command ends
	_ = cmd.Wait()                           // its exit code is below
	return cmd.ProcessState.ExitCode(), errs.String()
}
