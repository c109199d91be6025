package cli_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBackupAndRestore: what a snapshot by hand has is restored; the old directory and the
// new one are of two incarnations.
func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	run := func(want int, args ...string) ran {
		t.Helper()
		got := mainstem(t, dir, "", args...)
		if got.code != want {
			t.Fatalf("mainstem %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), got.code, want, got.out, got.err)
		}
		return got
	}
	for i := range 3 {
		run(0, "put", "shop/stock", fmt.Sprint(i), "--id", fmt.Sprint("put-", i))
		run(0, "snapshot", "--to", "dir://backups")
	}
	run(0, "put", "shop/stock", "lost")
	run(0, "restore", "--from", "dir://backups", "--to", "restored")
	if got := run(0, "get", "shop/stock", "--dir", "restored"); strings.TrimSpace(got.out) != "2" {
		t.Errorf("restored is %q, want 2", got.out)
	}
	if got := run(0, "put", "shop/stock", "again", "--id", "put-1", "--dir", "restored"); !strings.Contains(got.out, "replayed") {
		t.Errorf("an ID that was restored ran again (L5): %q", got.out)
	}
	run(0, "verify-log", "--dir", "restored")
	run(2, "restore", "--from", "dir://backups", "--to", "restored")
	run(2, "restore", "--from", "dir://nothing", "--to", "other")
	run(2, "snapshot", "--to", "backups")
	run(3, "snapshot", "--to", "dir://backups", "--dir", "nothing")

	drill := func(want int) (found struct {
		Sound     bool
		Snapshots int
		Problems  []string
	},
	) {
		t.Helper()
		if err := json.Unmarshal([]byte(run(want, "drill", "--from", "dir://backups", "--json").out), &found); err != nil {
			t.Fatal(err)
		}
		return found
	}
	if found := drill(0); !found.Sound || found.Snapshots != 2 || len(found.Problems) > 0 {
		t.Errorf("a drill on what is sound: %+v", found)
	}
	chunks, err := filepath.Glob(filepath.Join(dir, "backups", "*chunk*"))
	if err != nil || len(chunks) < 2 {
		t.Fatal(chunks, err)
	}
	data, err := os.ReadFile(chunks[0])
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-1] ^= 1
	if err := os.WriteFile(chunks[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
	// A restore takes the newer one and gets by; a drill must not (L12).
	run(0, "restore", "--from", "dir://backups", "--to", "other")
	if found := drill(6); found.Sound || len(found.Problems) == 0 {
		t.Errorf("a drill on what is damaged: %+v (L12)", found)
	}
}
