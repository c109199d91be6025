package store

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/internal/state"
)

// history is a series of batches; each writes its number to row "n".
type history struct {
	random *rand.Rand
	writes [][]state.Write
}

func (h *history) next() []state.Write {
	n := uint64(len(h.writes) + 1)
	w := []state.Write{{Key: []byte("n"), Value: binary.BigEndian.AppendUint64(nil, n)}}
	for range h.random.IntN(6) {
		key := fmt.Appendf(nil, "k%d", h.random.IntN(40))
		switch h.random.IntN(8) {
		case 0:
			w = append(w, state.Write{Key: key, Delete: true})
		case 1:
			w = append(w, state.Write{Key: key, Delete: true, End: append(key, 0xff)})
		default:
			value := make([]byte, 8+h.random.IntN(3000))
			binary.BigEndian.PutUint64(value, n)
			w = append(w, state.Write{Key: key, Value: value})
		}
	}
	h.writes = append(h.writes, w)
	return w
}

// prefix checks that the store holds exactly the first n batches for some n,
// and returns it.
func (h *history) prefix(t testing.TB, s *Store) int {
	t.Helper()
	value, ok, err := s.Rows().Get([]byte("n"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	if ok {
		n = int(binary.BigEndian.Uint64(value))
	}
	if n > len(h.writes) {
		t.Fatalf("the store says batch %d of %d", n, len(h.writes))
	}
	if err := h.compare(s, n); err != nil {
		t.Fatal(err)
	}
	return n
}

// compare reports whether the rows are those of the first n batches.
func (h *history) compare(s *Store, n int) error {
	m := model{}
	for _, w := range h.writes[:n] {
		m.apply(w)
	}
	var got []string
	for row, err := range s.Rows().Scan(nil, nil) {
		if err != nil {
			return err
		}
		got = append(got, fmt.Sprintf("%x=%x", row.Key, row.Value))
	}
	if want := m.scan(nil, nil); !slices.Equal(got, want) {
		return fmt.Errorf("after batch %d the store has %d rows that are not the %d of the first %d batches (L4)", n, len(got), len(want), n)
	}
	return nil
}

// linking lets no file be linked while a clone is made: Pebble's file system in memory
// takes a lock twice to link a file, and hangs if a clone is asked for in between.
type linking struct {
	disk.FS
	cloning sync.RWMutex
}

func (l *linking) Link(from, to string) error {
	l.cloning.RLock()
	defer l.cloning.RUnlock()
	return l.FS.Link(from, to)
}

// TestCrash cuts the power at a random moment, also during a flush, and keeps
// a random share of what was not synced: the rows that are left are those of a
// prefix of the batches, with everything that was flushed.
func TestCrash(t *testing.T) {
	lost := 0
	seeds(t, 150, func(t *testing.T, random *rand.Rand) {
		fs := vfs.NewCrashableMem()
		link := &linking{FS: fs}
		s := open(t, link)
		defer closed(t, s)
		h := &history{random: random}
		flushed := 0
		for range 1 + random.IntN(200) {
			apply(t, s, h.next()...)
			if random.IntN(40) == 0 {
				if err := s.Flush(); err != nil {
					t.Fatal(err)
				}
				flushed = len(h.writes)
			}
		}
		if random.IntN(2) == 0 { // crash while a flush runs
			if _, err := s.flushed(); err != nil {
				t.Fatal(err)
			}
		}
		link.cloning.Lock()
		clone := fs.CrashClone(vfs.CrashCloneCfg{
			UnsyncedDataPercent: random.IntN(101), RNG: random,
		})
		link.cloning.Unlock()
		again := open(t, clone)
		defer closed(t, again)
		n := h.prefix(t, again)
		if n < flushed {
			t.Fatalf("batch %d was flushed; only %d are there", flushed, n)
		}
		lost += len(h.writes) - n
	})
	if lost == 0 && !t.Failed() {
		t.Log("no crash lost anything: the test proves nothing for these seeds")
	}
}

// TestCloseKeepsWhatWasFlushed also shows that Close does not flush: the
// journal is what keeps the rest.
func TestCloseKeepsWhatWasFlushed(t *testing.T) {
	fs := disk.NewMem()
	s := open(t, fs)
	apply(t, s, put("a", "1"))
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	apply(t, s, put("a", "2"))
	closed(t, s)
	s = open(t, fs)
	defer closed(t, s)
	if got := all(t, s.Rows()); !slices.Equal(got, []string{"a=1"}) {
		t.Fatalf("after Close and Open: %v", got)
	}
}
