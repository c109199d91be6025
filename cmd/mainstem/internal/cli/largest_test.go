package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	limits "github.com/mainstemdb/mainstem"
)

// TestLargestExportIsImported: the longest lines that export can write, of the
// bytes that need most room in JSON, are read by import.
func TestLargestExportIsImported(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	long := strings.Repeat("\x01", limits.LimitName)
	path := strings.Repeat("\x01", limits.LimitName-1) + "%2F/" + long
	values := map[string]string{
		"NUL": strings.Repeat("\x00", limits.LimitValue), "binary": strings.Repeat("\xff", limits.LimitValue),
	}
	for what, value := range values {
		t.Run(what, func(t *testing.T) {
			from, to := filepath.Join(dir, what), filepath.Join(dir, what+"-copy")
			for _, args := range [][]string{{"put", path, "-"}, {"append", path, "-", "--type", long}} {
				if got := mainstem(t, dir, value, append(args, "--dir", from)...); got.code != 0 {
					t.Fatal(got.err)
				}
			}
			exported := mainstem(t, dir, "", "export", "--dir", from).out
			file := filepath.Join(dir, what+".jsonl")
			if err := os.WriteFile(file, []byte(exported), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := mainstem(t, dir, "", "import", file, "--dir", to); got.code != 0 {
				t.Fatal(got.err)
			}
			if got := mainstem(t, dir, "", "export", "--dir", to).out; got != exported || strings.Count(got, "\n") != 2 {
				t.Errorf("%d bytes were exported, and %d bytes of the copy", len(exported), len(got))
			}
		})
	}
	file := filepath.Join(dir, "long.jsonl")
	if err := os.WriteFile(file, []byte("{}\n"+strings.Repeat(" ", 2<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := mainstem(t, dir, "", "import", file); got.code != 2 || !strings.Contains(got.err, "line 2 is longer than") {
		t.Errorf("exit code %d, %s", got.code, got.err)
	}
}

// TestLargestTransaction: a transaction of every limit at once, each byte of it
// escaped and each operation indented, fits standard input.
func TestLargestTransaction(t *testing.T) {
	t.Parallel()
	const others = limits.LimitOperations - 2
	const room = limits.LimitTransaction - others - 2*(1+8) // a put counts 8 bytes beside name and value
	value := strings.Repeat(`\u0000`, room/2)
	operations := []string{
		`{"put": {"name": "\u0001", "value": "` + value + `"}}`, `{"put": {"name": "\u0002", "value": "` + value + `"}}`,
	}
	for range others {
		operations = append(operations, fmt.Sprintf(`{"add": {"name": "\u0003", "delta": 1, "floor": %d, "ceiling": %d}}`, -1<<63, 1<<63-1))
	}
	text := `{"group": "` + strings.Repeat(`\u0001`, limits.LimitName) + `", "operations": [` + "\n    " + strings.Join(operations, ",\n    ") + "\n]}"
	if got := mainstem(t, t.TempDir(), text, "txn"); got.code != 0 || !strings.Contains(got.out, fmt.Sprintf("counter %d\n", others)) {
		t.Errorf("%d bytes of JSON: exit code %d, %s", len(text), got.code, got.err)
	}
}
