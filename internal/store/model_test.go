package store

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/internal/state"
)

// model is the rows as a sorted map would have them.
type model map[string]string

func (m model) apply(writes []state.Write) {
	for _, w := range writes {
		switch {
		case !w.Delete:
			m[string(w.Key)] = string(w.Value)
		case w.End == nil:
			delete(m, string(w.Key))
		default:
			maps.DeleteFunc(m, func(k, _ string) bool { return k >= string(w.Key) && k < string(w.End) })
		}
	}
}

func (m model) scan(from, to []byte) (list []string) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if k >= string(from) && (to == nil || k < string(to)) {
			list = append(list, fmt.Sprintf("%x=%x", k, m[k]))
		}
	}
	return list
}

var anyKey = rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 'a', 'b', 0xff}), 1, 4)

func drawWrite(t *rapid.T) state.Write {
	w := state.Write{Key: anyKey.Draw(t, "key")}
	switch rapid.IntRange(0, 5).Draw(t, "kind") {
	case 0:
		w.Delete = true
	case 1:
		w.Delete, w.End = true, anyKey.Draw(t, "end")
		if bytes.Compare(w.Key, w.End) > 0 {
			w.Key, w.End = w.End, w.Key
		}
	default:
		w.Value = rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(t, "value")
		if rapid.IntRange(0, 20).Draw(t, "large") == 0 {
			w.Value = bytes.Repeat([]byte{7}, 30_000) // fills a memtable soon
		}
	}
	return w
}

// agree compares everything that r can show with the model.
func agree(t *rapid.T, r *Rows, m model) {
	key, from, to := anyKey.Draw(t, "get"), anyKey.Draw(t, "from"), anyKey.Draw(t, "to")
	if rapid.Bool().Draw(t, "open end") {
		to = nil
	}
	value, ok, err := r.Get(key)
	if want, there := m[string(key)]; err != nil || ok != there || string(value) != want {
		t.Fatalf("Get(%x) = %x, %v, %v; want %x, %v", key, value, ok, err, want, there)
	}
	want := m.scan(from, to)
	if got := collect(t, r.Scan(from, to)); !slices.Equal(got, want) {
		t.Fatalf("Scan(%x, %x) = %v; want %v", from, to, got, want)
	}
	first := ""
	if len(want) > 0 {
		first = want[0]
	}
	got := ""
	row, ok, err := r.First(from, to)
	if ok {
		got = fmt.Sprintf("%x=%x", row.Key, row.Value)
	}
	if err != nil || got != first {
		t.Fatalf("First(%x, %x) = %s, %v; want %s", from, to, got, err, first)
	}
	slices.Reverse(want)
	if got := collect(t, r.ScanBack(from, to)); !slices.Equal(got, want) {
		t.Fatalf("ScanBack(%x, %x) = %v; want %v", from, to, got, want)
	}
}

func collect(t *rapid.T, rows func(func(state.Row, error) bool)) (list []string) {
	for row, err := range rows {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprintf("%x=%x", row.Key, row.Value))
	}
	return list
}

// world is a store beside its model.
type world struct {
	fs     disk.FS
	s      *Store
	live   model
	frozen []frozen
}

type frozen struct {
	*Snapshot
	model model
}

func (w *world) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"": func(t *rapid.T) { agree(t, w.s.Rows(), w.live) },
		"apply": func(t *rapid.T) {
			writes := rapid.SliceOfN(rapid.Custom(drawWrite), 0, 8).Draw(t, "writes")
			if err := w.s.Apply(writes); err != nil {
				t.Fatal(err)
			}
			w.live.apply(writes)
		},
		"flush": func(t *rapid.T) {
			if err := w.s.Flush(); err != nil {
				t.Fatal(err)
			}
		},
		"freeze": func(t *rapid.T) {
			if len(w.frozen) < 3 {
				w.frozen = append(w.frozen, frozen{w.s.Snapshot(), maps.Clone(w.live)})
			}
		},
		"read frozen": func(t *rapid.T) {
			for _, f := range w.frozen {
				agree(t, &f.Rows, f.model)
			}
		},
		"thaw": func(t *rapid.T) {
			for _, f := range w.frozen {
				f.Close()
			}
			w.frozen = nil
		},
		"verify": func(t *rapid.T) {
			if err := w.s.Verify(context.Background()); err != nil {
				t.Fatal(err)
			}
		},
		"reopen": w.reopen,
	}
}

// reopen flushes, so that nothing may be missing afterwards, and leaves
// snapshots to Close.
func (w *world) reopen(t *rapid.T) {
	if err := w.s.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := w.s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, f := range w.frozen {
		if _, _, err := f.Get([]byte("a")); err != ErrClosed {
			t.Fatalf("a snapshot of a closed store answers %v", err)
		}
	}
	w.frozen = nil
	s, err := Open(Config{FS: w.fs, Dir: "db", Memory: testMemory})
	if err != nil {
		t.Fatal(err)
	}
	w.s = s
}

func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fs := disk.NewMem()
		s, err := Open(Config{FS: fs, Dir: "db", Memory: testMemory})
		if err != nil {
			t.Fatal(err)
		}
		w := &world{fs: fs, s: s, live: model{}}
		defer func() {
			if err := w.s.Close(); err != nil {
				t.Fatal(err)
			}
		}()
		t.Repeat(w.actions())
	})
}
