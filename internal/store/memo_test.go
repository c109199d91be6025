package store

import (
	"encoding/binary"
	"sync"
	"testing"

	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/internal/state"
)

// TestMemoIsOfItsTables: a key that was read is answered from memory, a snapshot
// keeps showing what it was made of, and a version in newer tables is seen at once.
func TestMemoIsOfItsTables(t *testing.T) {
	s := open(t, disk.NewMem())
	defer closed(t, s)
	name := benchPrefix(1)
	version := func(rows *Rows) uint64 {
		row, ok, err := rows.First(name, benchAfter(name))
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		return ^binary.BigEndian.Uint64(row.Key[len(name):])
	}
	var old *Snapshot
	for v := uint64(1); v <= 3; v++ {
		apply(t, s, state.Write{Key: append(benchPrefix(1), benchSuffix(^v)...), Value: []byte("value")})
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if got := version(s.Rows()); got != v {
				t.Fatalf("version %d is the newest, and %d is read", v, got)
			}
		}
		if s.newest.Load().base.memo.Load().find(name) == nil {
			t.Errorf("version %d was read and is not remembered", v)
		}
		if v == 1 {
			old = s.Snapshot()
			defer old.Close()
		}
		if got := version(&old.Rows); got != 1 {
			t.Fatalf("a snapshot of version 1 shows %d", got)
		}
	}
	// As of a position, what is remembered is not asked.
	row, ok, err := s.Rows().First(append(benchPrefix(1), benchSuffix(^uint64(2))...), benchAfter(name))
	if err != nil || !ok || ^binary.BigEndian.Uint64(row.Key[len(name):]) != 2 {
		t.Errorf("as of 2 the key is %q (%v, %v)", row.Key, ok, err)
	}
	if old.frozen.base.memo.Load() != nil {
		t.Error("tables that are outdated remember still")
	}
}

// TestMemoHasALimit: whatever is read, from many goroutines, a memo takes no more
// than it may, and all of that is accounted for.
func TestMemoHasALimit(t *testing.T) {
	const limit = 64 << 10
	m := newMemo(limit)
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 5000 {
				name := benchPrefix(g*1000 + i)
				row := kept(append(name, benchSuffix(1)...), make([]byte, i%300))
				m.keep(name, &row)
				if got := m.find(name); got != nil && string(got.Key[:len(name)]) != string(name) {
					t.Errorf("%q is taken for %q", got.Key, name)
				}
			}
		})
	}
	all.Wait()
	held := int64(len(m.slots)) * 8
	for i := range m.slots {
		held += memoBytes(m.slots[i].Load())
	}
	if held > limit || held < limit/2 || held+m.room.Load() != limit {
		t.Errorf("a memo of %d bytes holds %d, with room for %d", limit, held, m.room.Load())
	}
	large := kept(append(benchPrefix(1), benchSuffix(1)...), make([]byte, limit))
	m.keep(benchPrefix(1), &large)
	if m.find(benchPrefix(1)) == &large {
		t.Error("a row as large as the memo is in it")
	}
	if small := newMemo(MinMemory / memoShare); len(small.slots) == 0 || small.room.Load() <= 0 {
		t.Errorf("the memo of the least memory has %d slots and room for %d bytes", len(small.slots), small.room.Load())
	}
}
