package mainstemtest

import (
	"context"
	"testing"

	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/disk"
)

// dir is the directory in memory that holds the database.
const dir = "mainstemtest"

// memory is what a test's database may use, in bytes, unless an option says otherwise.
const memory = 32 << 20

// segment is small, in bytes: a disk in memory has to hold every byte of it.
const segment = 1 << 20

// Open opens an empty database in memory, which the test's cleanup closes. It
// has every promise of a database in files but that of outliving the process.
func Open(t testing.TB, opts ...embedded.Option) *embedded.DB {
	t.Helper()
	return open(t, disk.NewMem(), opts)
}

func open(t testing.TB, fs disk.FS, opts []embedded.Option) *embedded.DB {
	t.Helper()
	opts = append([]embedded.Option{embedded.Memory(memory), embedded.SegmentSize(segment), embedded.OnDisk(fs)}, opts...)
	db, err := embedded.Open(context.Background(), dir, opts...)
	if err != nil {
		t.Fatalf("mainstemtest: open a database in memory: %v", err)
	}
	t.Cleanup(func() {
		// Closing what has stopped by itself is no failure of the test.
		if err := db.Close(); err != nil && db.Err() == nil {
			t.Errorf("mainstemtest: close the database in memory: %v", err)
		}
	})
	return db
}
