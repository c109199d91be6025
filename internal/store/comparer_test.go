package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"

	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/internal/state"
)

// TestVersionsAreFoundByName: with several tables per level, some of which have a
// version of a key and some of which have only its neighbours, each key shows its
// newest version, and each that is not there shows none.
func TestVersionsAreFoundByName(t *testing.T) {
	const keys, rounds = 300, 6
	s := open(t, disk.NewMem())
	defer closed(t, s)
	name := func(i int) []byte { return fmt.Appendf(nil, "k\x00\x00group\x00name-%d\x00", i) }
	newest := make(map[int]uint64)
	for round := uint64(1); round <= rounds; round++ {
		var writes []state.Write
		for i := range keys {
			if i%(int(round)+1) == 0 && i%7 != 0 {
				key := binary.BigEndian.AppendUint64(name(i), ^round)
				writes = append(writes, state.Write{Key: key, Value: fmt.Append(nil, round)})
				newest[i] = round
			}
		}
		apply(t, s, writes...)
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range keys {
		from := name(i)
		to := append([]byte{}, from...)
		to[len(to)-1] = 1
		row, ok, err := s.Rows().First(from, to)
		if err != nil {
			t.Fatal(err)
		}
		want, there := newest[i]
		if ok != there || ok && (^binary.BigEndian.Uint64(row.Key[len(from):]) != want || string(row.Value) != fmt.Sprint(want)) {
			t.Errorf("key %d is %q = %q (%v), its newest version is %d (%v)", i, row.Key, row.Value, ok, want, there)
		}
		// Older than the newest: the same, from the position before it.
		if ok {
			back := binary.BigEndian.AppendUint64(from, ^(want - 1))
			if row, ok, err := s.Rows().First(back, to); err != nil || ok && ^binary.BigEndian.Uint64(row.Key[len(from):]) >= want {
				t.Errorf("key %d before version %d is %q (%v)", i, want, row.Key, err)
			}
		}
	}
}

// TestAbsentNamesReachNoBlock: looking for keys that are not there asks the
// filters, and reads no block of rows.
func TestAbsentNamesReachNoBlock(t *testing.T) {
	s := benchStore(t, 10_000)
	defer closed(t, s)
	before := s.db.Metrics().Filter
	const asked = 1000
	for i := range asked {
		prefix := fmt.Appendf(nil, "k%c%cgroup-%d\x00name-%d-not\x00", i%100/16, i%100*16, i%100, i)
		if _, ok, err := s.Rows().First(prefix, benchAfter(prefix)); ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	after := s.db.Metrics().Filter
	if hits := after.Hits - before.Hits; hits < asked*9/10 {
		t.Errorf("of %d lookups of keys that are not there, filters ended %d", asked, hits)
	}
}

// TestOtherNamesAreRefused: the filters of a state that was written with another
// split say no where a row is, so it is not opened, but built anew.
func TestOtherNamesAreRefused(t *testing.T) {
	fs := disk.NewMem()
	db, err := pebble.Open("db", &pebble.Options{FS: fs, FormatMajorVersion: format, Levels: [7]pebble.LevelOptions{{FilterPolicy: bloom.FilterPolicy(filterBits)}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err := Open(Config{FS: fs, Dir: "db", Memory: MinMemory}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a state of another comparer opens: %v", errors.Join(err, s.Close()))
	}
}
