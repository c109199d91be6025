package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mainstemdb/mainstem/embedded"
)

// TestDamage flips one byte of the log: every command that would answer from
// it ends with 6, and says so in JSON too.
func TestDamage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"a/b", "a/c", "a/d"} {
		if got := mainstem(t, dir, "", "put", name, strings.Repeat("x", 200)); got.code != 0 {
			t.Fatal(got)
		}
	}
	segments, err := filepath.Glob(filepath.Join(dir, "mainstem-data", "p0000", "log", "*.log"))
	if err != nil || len(segments) == 0 {
		t.Fatalf("no segments: %v", err)
	}
	text, err := os.ReadFile(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	at := strings.Index(string(text), "xxxxxxxx")
	if at < 0 {
		t.Fatal("the value is not in the first segment")
	}
	text[at] ^= 1
	if err := os.WriteFile(segments[0], text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"verify-log"}, {"inspect"}, {"get", "a/b"}, {"put", "a/b", "c"}} {
		got := mainstem(t, dir, "", append(args, "--json")...)
		if got.code != 6 || !strings.Contains(got.err, `"code":"corrupt"`) {
			t.Errorf("%v: exit code %d, %s", args, got.code, got.err)
		}
		wantJSON(t, strings.Join(args, " "), got.out+got.err)
	}
}

// TestSecondProcess: a directory that is open elsewhere is "not now".
func TestSecondProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, err := embedded.Open(t.Context(), filepath.Join(dir, "mainstem-data"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	got := mainstem(t, dir, "", "get", "a/b", "--json")
	if got.code != 5 || !strings.Contains(got.err, `"code":"unavailable"`) || !strings.Contains(got.err, "with --read-only") {
		t.Errorf("exit code %d, %s", got.code, got.err)
	}
}

// TestForeignDirectory: a directory with something else in it is left alone.
func TestForeignDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mine.txt"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"get", "a/b"}, {"put", "a/b", "c"}, {"inspect"}, {"verify-log"}} {
		got := mainstem(t, dir, "", append(args, "--dir", ".")...)
		if got.code != 2 || got.out != "" || strings.Count(got.err, "\n") != 1 {
			t.Errorf("%v: exit code %d, %q, %q", args, got.code, got.out, got.err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%d entries afterwards: %v", len(entries), err)
	}
}

// TestBytesAreExact: a value is printed as it went in, whatever it holds.
func TestBytesAreExact(t *testing.T) {
	t.Parallel()
	dir, value := t.TempDir(), "\x00\xff\r\n\n"
	if got := mainstem(t, dir, value, "put", "a/b", "-"); got.code != 0 {
		t.Fatal(got)
	}
	if got := mainstem(t, dir, "", "get", "a/b"); got.out != value {
		t.Errorf("%q came out as %q", value, got.out)
	}
	exported := mainstem(t, dir, "", "export").out
	if err := os.WriteFile(filepath.Join(dir, "all.jsonl"), []byte(exported), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := mainstem(t, dir, "", "import", "all.jsonl", "--dir", "copy"); got.code != 0 {
		t.Fatal(got)
	}
	if got := mainstem(t, dir, "", "get", "a/b", "--dir", "copy"); got.out != value {
		t.Errorf("%q came out of the copy as %q", value, got.out)
	}
}
