package state

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// speculation is an overlay under test, and what it should show: the base as
// it is, and every record on top of it as one more map.
type speculation struct {
	base    mapRows
	overlay *Overlay
	flying  [][]Write // records in the overlay, the oldest first
	first   uint64    // index of flying[0]
}

func (s *speculation) expected() mapRows {
	all := maps.Clone(s.base)
	for _, writes := range s.flying {
		all.apply(writes)
	}
	return all
}

// same compares every way of reading.
func (s *speculation) same(t *rapid.T) {
	want := s.expected()
	from, to := key(t), key(t)
	for _, k := range []string{from, to} {
		got, ok, err := s.overlay.Get([]byte(k))
		if value, there := want[k]; err != nil || ok != there || ok && string(got) != value {
			t.Fatalf("Get(%q) = %q, %t, %v; want %q, %t", k, got, ok, err, value, there)
		}
	}
	row, ok, err := s.overlay.First([]byte(from), []byte(to))
	first, there, _ := want.First([]byte(from), []byte(to))
	if err != nil || ok != there || string(row.Key) != string(first.Key) || string(row.Value) != string(first.Value) {
		t.Fatalf("First(%q, %q) = %q, %t, %v; want %q, %t", from, to, row, ok, err, first, there)
	}
	if got, want := text(s.overlay.Scan([]byte(from), []byte(to))), text(want.Scan([]byte(from), []byte(to))); !slices.Equal(got, want) {
		t.Fatalf("Scan(%q, %q) = %q, want %q", from, to, got, want)
	}
	if got, want := text(s.overlay.ScanBack([]byte(from), []byte(to))), text(want.ScanBack([]byte(from), []byte(to))); !slices.Equal(got, want) {
		t.Fatalf("ScanBack(%q, %q) = %q, want %q", from, to, got, want)
	}
}

func text(rows iter.Seq2[Row, error]) (all []string) {
	for row, err := range rows {
		all = append(all, fmt.Sprintf("%s=%s %v", row.Key, row.Value, err))
	}
	return all
}

func key(t *rapid.T) string { return rapid.StringMatching("[a-d]{0,2}").Draw(t, "key") }

// TestOverlayShowsWhatItsRecordsLeave judges the overlay as the writer loop
// uses it: records pile up, the oldest lands in the base and is dropped, or
// the newest is abandoned.
func TestOverlayShowsWhatItsRecordsLeave(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &speculation{base: mapRows{}, first: 1}
		for range rapid.IntRange(0, 6).Draw(t, "rows below") {
			s.base[key(t)] = "base"
		}
		s.overlay = NewOverlay(s.base, 1)
		t.Repeat(map[string]func(*rapid.T){
			"": s.same,
			"record": func(t *rapid.T) {
				index := s.first + uint64(len(s.flying))
				var writes []Write
				for i := range rapid.IntRange(1, 4).Draw(t, "writes") {
					w := Write{Key: []byte(key(t)), Value: fmt.Appendf(nil, "%d.%d", index, i)}
					if rapid.Bool().Draw(t, "delete") {
						w = Write{Key: w.Key, Delete: true}
					}
					writes = append(writes, w)
					s.overlay.Put(w, index)
				}
				s.flying = append(s.flying, writes)
			},
			"land": func(t *rapid.T) {
				if len(s.flying) == 0 {
					return
				}
				s.base.apply(s.flying[0])
				s.overlay.Drop(s.first)
				s.flying, s.first = s.flying[1:], s.first+1
			},
		})
	})
}

// TestOverlayPassesErrors: an error of the base reaches the reader, once.
func TestOverlayPassesErrors(t *testing.T) {
	broken := fmt.Errorf("broken")
	o := NewOverlay(failing{err: broken}, 1)
	o.Put(Write{Key: []byte("a"), Value: []byte("1")}, 1)
	for name, rows := range map[string]iter.Seq2[Row, error]{
		"Scan": o.Scan([]byte("a"), []byte("z")), "ScanBack": o.ScanBack([]byte("a"), []byte("z")),
	} {
		var last error
		for _, err := range rows {
			if last != nil {
				t.Errorf("%s went on after an error", name)
			}
			last = err
		}
		if last != broken {
			t.Errorf("%s ended with %v, want the error of the base", name, last)
		}
	}
	if _, _, err := o.Get([]byte("b")); err != broken {
		t.Errorf("Get: %v", err)
	}
	if _, _, err := o.First([]byte("a"), []byte("b")); err != broken {
		t.Errorf("First: %v", err)
	}
}

// failing are rows that cannot be read.
type failing struct{ err error }

func (f failing) Get([]byte) ([]byte, bool, error)           { return nil, false, f.err }
func (f failing) First(_, _ []byte) (Row, bool, error)       { return Row{}, false, f.err }
func (f failing) ScanBack(_, _ []byte) iter.Seq2[Row, error] { return f.Scan(nil, nil) }
func (f failing) Scan(_, _ []byte) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) { yield(Row{}, f.err) }
}
