package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var all = []string{
	"get", "put", "delete", "add", "scan", "append", "read", "txn", "feed", "watch", "lease", "serve", "status", "cluster", "move", "config", "token", "cert", "import", "export", "rewind",
	"snapshot", "restore", "drill", "inspect", "verify-log", "pg", "advise", "demo", "version",
}

// TestHelp holds each help text to the one in testdata, and to showing examples.
func TestHelp(t *testing.T) {
	t.Parallel()
	for _, command := range append([]string{"", "pg schema", "pg takeover", "pg events", "pg requests", "pg leases", "config check", "config print", "token create", "token list", "token remove", "cert dev", "advise report", "advise explain", "advise rules", "cluster schema", "cluster members", "cluster forget", "advise diff", "advise calc", "advise init", "advise schema", "advise ask", "advise what-if", "advise observe", "advise mcp", "advise skill"}, all...) {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			args, name := []string{"--help"}, "mainstem"
			if command != "" {
				args, name = append(strings.Fields(command), "--help"), strings.ReplaceAll(command, " ", "-")
			}
			got := mainstem(t, t.TempDir(), "", args...)
			if got.code != 0 || got.err != "" {
				t.Fatalf("exit code %d, standard error %q", got.code, got.err)
			}
			if command != "" && !strings.Contains(got.out, "Examples:\n\n    ") {
				t.Errorf("the help of %s has no examples", command)
			}
			golden(t, filepath.Join("testdata", "help", name+".txt"), got.out)
		})
	}
	t.Run("overview", func(t *testing.T) {
		t.Parallel()
		got := mainstem(t, t.TempDir(), "")
		if got.code != 0 {
			t.Errorf("exit code %d", got.code)
		}
		golden(t, filepath.Join("testdata", "help", "overview.txt"), got.out)
	})
}

// TestHelpListsEveryCommand keeps the list above whole.
func TestHelpListsEveryCommand(t *testing.T) {
	t.Parallel()
	got := mainstem(t, t.TempDir(), "", "--help")
	listed := 0
	for line := range strings.Lines(got.out) {
		if strings.HasPrefix(line, "  ") && len(line) > 2 && line[2] >= 'a' && line[2] <= 'z' {
			listed++
		}
	}
	if listed != len(all) {
		t.Errorf("the help lists %d commands, this test knows %d", listed, len(all))
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test -update rewrites it):\n%s", name, got)
	}
}
