package dir_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem/blob"
	"github.com/mainstemdb/mainstem/blob/blobtest"
	"github.com/mainstemdb/mainstem/blob/dir"
	"github.com/mainstemdb/mainstem/internal/disk"
)

func TestConformance(t *testing.T) {
	at := filepath.Join(t.TempDir(), "not", "there", "yet")
	blobtest.Run(t, blobtest.World{
		Open: func(*testing.T) blob.Store { return dir.Open(at) },
		Flip: func(t *testing.T, name string) {
			path := filepath.Join(at, strings.ReplaceAll(name, "/", ".")+".blob")
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			data[len(data)/2] ^= 4
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
		},
	})
}

// TestPowerCut: the power goes at every operation of a Put. What is there afterwards is
// the old blob or the new one, and the new one if Put had returned.
func TestPowerCut(t *testing.T) {
	for n := range 40 {
		power, err := disk.NewPower(disk.NewMem(), disk.PowerConfig{})
		if err != nil {
			t.Fatal(err)
		}
		s := dir.OnDisk(power, "blobs")
		if err := s.Put(t.Context(), "a", []byte("old")); err != nil {
			t.Fatal(err)
		}
		if err := s.Put(t.Context(), "a", []byte("new")); err != nil {
			t.Fatal(err)
		}
		cut, err := power.Crash(uint64(n), 0)
		if err != nil {
			t.Fatal(err)
		}
		if data, err := dir.OnDisk(cut, "blobs").Get(t.Context(), "a"); err != nil || string(data) != "new" {
			t.Errorf("seed %d: after the power was cut the blob is %q, %v; it was put", n, data, err)
		}
	}
}

// TestDiskRefuses: each operation of a Put fails in turn. The blob is the old one or
// the new one, and the new one if Put says so.
func TestDiskRefuses(t *testing.T) {
	failures := 0
	for n := int64(1); ; n++ {
		faults := disk.NewFaults(disk.NewMem())
		s := dir.OnDisk(faults, "blobs")
		if err := s.Put(t.Context(), "a", []byte("old")); err != nil {
			t.Fatal(err)
		}
		faults.Inject(disk.Fault{At: faults.Seen() + n, Err: disk.ErrIO})
		err := s.Put(t.Context(), "a", []byte("new"))
		if faults.Injected() == 0 {
			break
		}
		failures++
		faults.Heal()
		data, readErr := dir.OnDisk(faults, "blobs").Get(t.Context(), "a")
		if readErr != nil || string(data) != "old" && string(data) != "new" || err == nil && string(data) != "new" {
			t.Errorf("operation %d failed, Put said %v, and the blob is %q, %v", n, err, data, readErr)
		}
	}
	if failures < 4 {
		t.Errorf("%d operations of Put were made to fail; a file, its sync, its name and its directory are four", failures)
	}
}

// TestLeftOver: what a process left half written is removed by a later one, once it is
// old, and is no blob meanwhile.
func TestLeftOver(t *testing.T) {
	at := t.TempDir()
	old, young := filepath.Join(at, "a.blob.00"+disk.TempSuffix), filepath.Join(at, "b.blob.00"+disk.TempSuffix)
	for _, path := range []string{old, young} {
		if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	then := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(old, then, then); err != nil {
		t.Fatal(err)
	}
	s := dir.Open(at)
	if names, err := s.List(t.Context(), ""); err != nil || len(names) > 0 {
		t.Errorf("what is half written is listed: %q, %v", names, err)
	}
	if err := s.Put(t.Context(), "c", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("two hours later it is still there: %v", err)
	}
	if _, err := os.Stat(young); err != nil {
		t.Errorf("what may still be written was removed: %v", err)
	}
}
