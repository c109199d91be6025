package cli_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"os/exec"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/mainstemdb/mainstem/cmd/mainstem/internal/cli"
)

var update = flag.Bool("update", false, "rewrite testdata from what the commands print; read the difference before committing it")

// TestMain lets the test binary be mainstem itself, so that commands run as
// they do for users: a process, arguments, streams and an exit code.
func TestMain(m *testing.M) {
	if os.Getenv("MAINSTEM_TEST_BINARY") != "" {
		os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	goleak.VerifyTestMain(m)
}

// ran is what one command did.
type ran struct {
	out, err string
	code     int
}

// mainstem runs one command in dir.
func mainstem(t *testing.T, dir, stdin string, args ...string) ran {
	t.Helper()
	return asking(t, "", dir, stdin, args...)
}

// binary is mainstem with these arguments, to be run in dir.
func binary(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "MAINSTEM_TEST_BINARY=1", "MAINSTEM_DIR=", "MAINSTEM_SERVER=", "NO_COLOR=")
	return cmd
}

// asking runs one command in dir that asks the server, if one is given.
func asking(t *testing.T, server, dir, stdin string, args ...string) ran {
	t.Helper()
	return askingWith(t, []string{"MAINSTEM_SERVER=" + server}, dir, stdin, args...)
}

// askingWith runs one command in dir with more in the environment.
func askingWith(t *testing.T, env []string, dir, stdin string, args ...string) ran {
	t.Helper()
	cmd := binary(t, dir, args...)
	cmd.Env = append(cmd.Env, env...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return ran{out: out.String(), err: errs.String(), code: cmd.ProcessState.ExitCode()}
}

// wantJSON checks that every line is a JSON object.
func wantJSON(t *testing.T, what, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			t.Errorf("%s: %q is not a JSON object: %v", what, line, err)
		}
	}
}
