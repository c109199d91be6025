package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/internal/state"
)

// filled returns a disk with a flushed store of a few hundred rows.
func filled(t testing.TB) (disk.FS, *history) {
	t.Helper()
	fs := disk.NewMem()
	s := open(t, fs)
	defer closed(t, s)
	h := &history{random: rand.New(rand.NewPCG(2, 2))}
	// Two tables that overlap: merging them writes a third, without deletions. A
	// single one would be moved as it is, and written again some time later.
	for range 2 {
		for range 50 {
			apply(t, s, h.next()...)
		}
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	// Nothing is left to be merged: a table that a test damages stays in use.
	if err := s.db.Compact(context.Background(), []byte{0}, []byte{0xff}, false); err != nil {
		t.Fatal(err)
	}
	return fs, h
}

func TestCheckpoint(t *testing.T) {
	fs, h := filled(t)
	s := open(t, fs)
	defer closed(t, s)
	apply(t, s, h.next()...) // not flushed: Checkpoint must do that
	want := len(h.writes)
	if err := s.Checkpoint("copies/1"); err != nil {
		t.Fatal(err)
	}
	apply(t, s, h.next()...)
	if err := s.Checkpoint("copies/1"); !errors.Is(err, ErrFailed) {
		t.Errorf("a checkpoint over another: %v", err)
	}
	c, err := Open(Config{FS: fs, Dir: "copies/1", Memory: testMemory})
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, c)
	if n := h.prefix(t, c); n != want {
		t.Fatalf("the checkpoint holds %d batches, not %d", n, want)
	}
	if s.Err() != nil {
		t.Fatal(s.Err())
	}
}

func TestReadOnly(t *testing.T) {
	fs, h := filled(t)
	before := contents(t, fs)
	s, err := Open(Config{FS: fs, Dir: "db", Memory: testMemory, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	h.prefix(t, s)
	if err := s.Apply(h.next()); !errors.Is(err, ErrReadOnly) {
		t.Errorf("Apply: %v", err)
	}
	if err := s.Flush(); !errors.Is(err, ErrReadOnly) {
		t.Errorf("Flush: %v", err)
	}
	if err := s.Verify(context.Background()); err != nil {
		t.Errorf("Verify: %v", err)
	}
	closed(t, s)
	if !slices.Equal(contents(t, fs), before) {
		t.Error("a read-only store changed its files")
	}
	if _, err := Open(Config{FS: fs, Dir: "none", Memory: testMemory, ReadOnly: true}); !errors.Is(err, ErrFailed) {
		t.Errorf("a store that does not exist: %v", err)
	}
	if _, err := fs.Stat("none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("read-only created its directory: %v", err)
	}
}

func contents(t testing.TB, fs disk.FS) (files []string) {
	t.Helper()
	names, err := fs.List("db")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	for _, name := range names {
		b, err := disk.ReadFile(fs, fs.PathJoin("db", name), 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, name+string(b))
	}
	return files
}

// TestFlips damages one bit of a table at a time: Verify, which runs on a
// store that has blocks cached, finds it, or Open has refused.
func TestFlips(t *testing.T) {
	fs, h := filled(t)
	var table string
	names, err := fs.List("db")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".sst") {
			table = fs.PathJoin("db", name)
		}
	}
	good, err := disk.ReadFile(fs, table, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	seeds(t, 200, func(t *testing.T, random *rand.Rand) {
		bad := bytes.Clone(good)
		at := random.IntN(len(bad))
		if random.IntN(4) == 0 {
			at = len(bad) - 1 - random.IntN(min(len(bad), 1000)) // footer and index
		}
		bad[at] ^= 1 << random.IntN(8)
		overwrite(t, fs, table, bad)
		s, err := Open(Config{FS: fs, Dir: "db", Memory: testMemory})
		if err == nil {
			err = s.Verify(context.Background())
			if err == nil {
				t.Errorf("bit flip at byte %d of %d was not found (L12); rows: %v", at, len(bad), h.compare(s, len(h.writes)))
			} else if !errors.Is(s.Err(), ErrCorrupt) {
				t.Errorf("damage at byte %d did not end the store: %v", at, s.Err())
			}
			_ = s.Close()
		}
		if err != nil && !errors.Is(err, ErrCorrupt) {
			t.Errorf("damage at byte %d: %v", at, err)
		}
	})
	overwrite(t, fs, table, good)
	s := open(t, fs)
	defer closed(t, s)
	h.prefix(t, s)
}

func overwrite(t testing.TB, fs disk.FS, name string, data []byte) {
	t.Helper()
	f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(bytes.Clone(data)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestMemory writes and reads several times the budget, and looks at it often.
func TestMemory(t *testing.T) {
	const memory = 4 << 20
	s, err := Open(Config{FS: disk.NewMem(), Dir: "db", Memory: memory})
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, s)
	h := &history{random: rand.New(rand.NewPCG(3, 3))}
	most, written := int64(0), 0
	for i := 0; written < 6*memory; i++ {
		w := h.next()
		for i := range w[1:] {
			w[i+1].Key = append(w[i+1].Key, byte(i), byte(h.random.Uint32()), byte(h.random.Uint32()))
		}
		h.writes = h.writes[:0]
		written += weight(w)
		apply(t, s, w...)
		if i%64 == 0 {
			if _, _, err := s.Rows().Get(w[0].Key); err != nil {
				t.Fatal(err)
			}
			m := s.Metrics()
			most = max(most, m.CacheBytes+m.DeltaBytes)
		}
	}
	for _, err := range s.Rows().Scan(nil, nil) {
		if err != nil {
			t.Fatal(err)
		}
	}
	m := s.Metrics()
	most = max(most, m.CacheBytes+m.DeltaBytes)
	t.Logf("%d MiB written; at most %.1f MiB of %d used", written>>20, float64(most)/(1<<20), memory>>20)
	if most > memory {
		t.Errorf("%d bytes used; the budget is %d (L10)", most, memory)
	}
	if _, err := Open(Config{FS: disk.NewMem(), Dir: "db", Memory: MinMemory - 1}); err == nil {
		t.Error("a budget that is too small was accepted")
	}
}

// TestApplyWithinScan: an iteration stays as it began, and the cursor that it
// gives back afterwards is not used for newer rows.
func TestApplyWithinScan(t *testing.T) {
	s := open(t, disk.NewMem())
	defer closed(t, s)
	apply(t, s, put("a", "1"), put("b", "1"))
	var seen []string
	for row, err := range s.Rows().Scan(nil, nil) {
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, string(row.Key)+"="+string(row.Value))
		apply(t, s, put("a", "2"), put("b", "2"))
	}
	if !slices.Equal(seen, []string{"a=1", "b=1"}) {
		t.Errorf("an iteration showed %v", seen)
	}
	if got := all(t, s.Rows()); !slices.Equal(got, []string{"a=2", "b=2"}) {
		t.Errorf("rows after it: %v", got)
	}
}

// TestRottenManifest: Pebble would take what comes before a damaged record of
// its manifest for the whole of it, and forget tables; a store refuses it (L12).
func TestRottenManifest(t *testing.T) {
	fs := disk.NewMem()
	s := open(t, fs)
	apply(t, s, put("a", "1"))
	if err := s.Flush(); err != nil { // the last record names the only table
		t.Fatal(err)
	}
	closed(t, s)
	names, err := fs.List("db")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !strings.HasPrefix(name, "MANIFEST") {
			continue
		}
		path := fs.PathJoin("db", name)
		whole, err := disk.ReadFile(fs, path, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		whole[len(whole)-3] ^= 1
		overwrite(t, fs, path, whole)
	}
	if _, err := Open(Config{FS: fs, Dir: "db", Memory: testMemory}); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("a manifest with a flipped bit: %v", err)
	}
}

// TestUnfinishedTables: what a crash has left of tables is removed.
func TestUnfinishedTables(t *testing.T) {
	fs, h := filled(t)
	left := fs.PathJoin("db", freshPrefix+"7")
	if err := disk.WriteFile(fs, left, []byte("half a table")); err != nil {
		t.Fatal(err)
	}
	s := open(t, fs)
	defer closed(t, s)
	if _, err := fs.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", left, err)
	}
	h.prefix(t, s)
}

// TestManyTables writes deltas of several tables, with deleted ranges across
// them: all rows are as in a map, in memory and in tables.
func TestManyTables(t *testing.T) {
	seeds(t, 4, func(t *testing.T, random *rand.Rand) {
		s, err := Open(Config{FS: disk.NewMem(), Dir: "db", Memory: 512 << 20})
		if err != nil {
			t.Fatal(err)
		}
		defer closed(t, s)
		m := model{}
		check := func(when string) {
			t.Helper()
			rows := 0
			for row, err := range s.Rows().Scan(nil, nil) {
				if value, there := m[string(row.Key)]; err != nil || !there || value != string(row.Value) {
					t.Fatalf("%s: row %s, %v, is not as in the map, there %v", when, row.Key, err, there)
				}
				rows++
			}
			if rows != len(m) {
				t.Fatalf("%s: %d rows, not the %d of the map", when, rows, len(m))
			}
		}
		key := func() []byte { return fmt.Appendf(nil, "%c%02d", 'a'+random.IntN(3), random.IntN(100)) }
		for round := range 3 {
			var writes []state.Write
			for range 300 {
				w := state.Write{Key: key(), Value: make([]byte, 1<<random.IntN(18))}
				w.Value[0] = byte(random.Uint32())
				if random.IntN(40) == 0 {
					w = state.Write{Key: key(), End: key(), Delete: true}
					if bytes.Compare(w.Key, w.End) > 0 {
						w.Key, w.End = w.End, w.Key
					}
				}
				writes = append(writes, w)
			}
			apply(t, s, writes...)
			m.apply(writes)
			check(fmt.Sprint("in memory, round ", round))
			if err := s.Flush(); err != nil {
				t.Fatal(err)
			}
			check(fmt.Sprint("in tables, round ", round))
		}
	})
}
