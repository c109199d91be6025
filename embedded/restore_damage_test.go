package embedded_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/disk"
)

// TestRestoreIsWholeOrNothing: a backup with one damaged partition restores
// nothing, rather than leave that partition in the old incarnation (L1).
func TestRestoreIsWholeOrNothing(t *testing.T) {
	ctx := t.Context()
	mem := disk.NewMem()
	options := append(flipOptions(mem), embedded.Partitions(2), embedded.Memory(64<<20))
	db, err := embedded.Open(ctx, "db", options...)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		_, err := db.Group(fmt.Sprint("g", i)).Do(ctx, "", func(tx *mainstem.Txn) error { tx.Set("n", int64(i)); return nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := embedded.Restore(ctx, "db", "sound", options...); err != nil {
		t.Fatalf("a sound backup: %v", err)
	}
	for _, name := range flipFiles(t, mem, "db/p0001/log") {
		data, err := disk.ReadFile(mem, name, 1<<20)
		if err != nil || !strings.HasSuffix(name, ".log") {
			continue
		}
		for i := 4096; i < 4096+1024; i++ {
			data[i] ^= 0xFF
		}
		if err := disk.WriteFile(mem, name, data); err != nil {
			t.Fatal(err)
		}
	}
	err = embedded.Restore(ctx, "db", "half", options...)
	if mainstem.CodeOf(err) != mainstem.Corrupt {
		t.Errorf("a backup with a damaged partition: %v, want corrupt", err)
	}
	if exists, err := disk.Exists(mem, "half"); err != nil || exists {
		t.Errorf("half a restore is there: %v, %v", exists, err)
	}
}
