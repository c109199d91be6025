package file_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/mainstemdb/mainstem/engine/file"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/journal"
	"github.com/mainstemdb/mainstem/journal/journaltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, fs disk.FS) *file.Log {
	t.Helper()
	l, err := file.Open(t.Context(), file.Config{FS: fs, Dir: "log", SegmentSize: segment})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return l
}

// segment is small, so that every test crosses segment edges.
const segment = 16 << 10

func TestConformanceOnFiles(t *testing.T) {
	journaltest.Run(t, func(t *testing.T) journaltest.Subject {
		cfg := file.Config{Dir: t.TempDir() + "/a/b", SegmentSize: segment}
		openIt := func(t *testing.T) journal.Log {
			l, err := file.Open(t.Context(), cfg)
			if err != nil {
				t.Fatalf("Open: %v", err)
			}
			return l
		}
		return journaltest.Subject{Log: openIt(t), Reopen: openIt}
	})
}
