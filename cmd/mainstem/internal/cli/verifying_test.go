//go:build unix

package cli_test

import (
	"bytes"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/internal/state"
	"github.com/mainstemdb/mainstem/internal/store"
)

// counts waits until a server's metrics have a line.
func (s *served) counts(t *testing.T, line string) {
	t.Helper()
	looks := time.NewTicker(50 * time.Millisecond)
	defer looks.Stop()
	for begun := time.Now(); ; <-looks.C {
		response, err := http.Get(s.metrics)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\n"+line+"\n") {
			return
		}
		if time.Since(begun) > time.Minute {
			t.Fatalf("a minute later there is no %q in\n%s", line, text)
		}
	}
}

// TestServeVerifies: beside what it serves, a server replays its log and compares. A
// row that is not what the log says is found though its sums are right, counted, and its
// partition serves no longer (L12).
func TestServeVerifies(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if got := mainstem(t, dir, "", "put", "account/balance", "100 EUR"); got.code != 0 {
		t.Fatal(got.err)
	}
	sound := serve(t, dir, "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--verify", "1s")
	sound.counts(t, `mainstem_verifications_total{outcome="sound"} 1`)
	if code, said := sound.stop(syscall.SIGTERM); code != 0 {
		t.Fatalf("exit code %d: %s", code, said)
	}
	spoil(t, filepath.Join(dir, "mainstem-data", "p0000", "state"), "100 EUR", "900 EUR")
	spoiled := serve(t, dir, "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--verify", "1m")
	spoiled.counts(t, `mainstem_verifications_total{outcome="damaged"} 1`)
	spoiled.counts(t, `mainstem_partition_stopped{code="corrupt",partition="0"} 1`)
	if got := mainstem(t, dir, "", "get", "account/balance", "--server", spoiled.address); got.code != 6 || !strings.Contains(got.err, "of the stored state of partition 0 has digest") {
		t.Errorf("exit code %d: %s%s", got.code, got.out, got.err)
	}
	_, said := spoiled.stop(syscall.SIGTERM)
	if !strings.Contains(said, "the log does not verify") {
		t.Errorf("its log says nothing of it:\n%s", said)
	}
}

// spoil changes a value in the state of a database that nobody has open, as memory
// that fails does before sums are taken.
func spoil(t *testing.T, dir, from, to string) {
	t.Helper()
	s, err := store.Open(store.Config{FS: disk.Default, Dir: dir, Memory: store.MinMemory})
	if err != nil {
		t.Fatal(err)
	}
	var row state.Write
	for r, err := range s.Rows().Scan([]byte("k"), []byte("l")) {
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(r.Value, []byte(from)) {
			row = state.Write{Key: bytes.Clone(r.Key), Value: bytes.Replace(r.Value, []byte(from), []byte(to), 1)}
		}
	}
	if row.Key == nil {
		t.Fatalf("no row has %q", from)
	}
	for _, err := range []error{s.Apply([]state.Write{row}), s.Flush(), s.Close()} {
		if err != nil {
			t.Fatal(err)
		}
	}
}
