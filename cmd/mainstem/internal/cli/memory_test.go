//go:build linux && !race

// The race detector makes another program, whose sizes are not those of the page.

package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	library "github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/remote"
)

// highest is the most memory that a process has had, in bytes.
func highest(t *testing.T, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "VmHWM:")
	kib, err := strconv.ParseInt(strings.Fields(after)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}

// press writes values through a server, more than its database has memory, while
// others read what was written and a feed goes over all of it.
func press(ctx context.Context, db *remote.DB, total int) error {
	const clients, length = 16, 128 << 10
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	for c := range clients {
		all.Go(func() {
			value, group := bytes.Repeat([]byte{byte('a' + c)}, length), db.Group(fmt.Sprintf("g%d", c))
			for i := range total / length / clients {
				name := fmt.Sprintf("k%d", i)
				if _, err := group.Do(ctx, fmt.Sprintf("put-%d", i), func(tx *library.Txn) error { tx.Put(name, value); return nil }); err != nil {
					cancel(err)
					return
				}
				view, err := group.View(ctx, library.Latest())
				if err == nil {
					_, err = view.Get(ctx, name)
					_ = view.Close()
				}
				if err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	all.Wait()
	for _, err := range db.Changes(ctx, library.From{Drain: true}) {
		if err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// TestMemoryStaysWithinItsLimit: a server that is pressed for several times its memory
// stays below what it says that the process may have, and the 64 MiB more that
// docs/guides/sizing.md states: the program itself is no part of the collector's limit,
// and that limit is soft.
// GOGC=off takes it to the edge: nothing is collected before the limit asks for it.
func TestMemoryStaysWithinItsLimit(t *testing.T) {
	t.Setenv("GOGC", "off")
	s := serve(t, t.TempDir(), "--listen", "127.0.0.1:0", "--memory", "32MiB")
	db, err := remote.Open(s.address)
	if err != nil {
		t.Fatal(err)
	}
	if err := press(t.Context(), db, 256<<20); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	const limit = 32<<20*3/2 + 128<<20
	had := highest(t, s.pid)
	if t.Logf("the process had %d MiB of %d", had>>20, limit>>20); had > limit+64<<20 {
		t.Error("that is too much")
	}
	code, said := s.stop(syscall.SIGTERM)
	if want := fmt.Sprintf(`"process":%d,"by":"memory"`, limit); code != 0 || !strings.Contains(said, want) {
		t.Errorf("the server ended with %d and said nothing of %s:\n%s", code, want, said)
	}
}

// TestMemoryLimitOfTheEnvironment: whoever sets GOMEMLIMIT is not overruled.
func TestMemoryLimitOfTheEnvironment(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "300MiB")
	s := serve(t, t.TempDir(), "--listen", "127.0.0.1:0")
	if code, said := s.stop(syscall.SIGTERM); code != 0 || !strings.Contains(said, fmt.Sprintf(`"process":%d,"by":"GOMEMLIMIT"`, 300<<20)) {
		t.Errorf("the server ended with %d and said\n%s", code, said)
	}
}
