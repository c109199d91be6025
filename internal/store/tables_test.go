package store

import (
	"testing"

	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/internal/state"
)

// TestTablesAreInTime: writing tables steps back for callers only while twice as
// much is in tables as the next delta is filled; then the writer never waits for
// what callers were let in front of.
func TestTablesAreInTime(t *testing.T) {
	s := open(t, disk.NewMem())
	defer closed(t, s)
	writing := &tables{store: s, layer: layer{size: 1000}}
	if !writing.inTime() {
		t.Error("with an empty delta it is in time from its first row")
	}
	for s.newest.Load().layers[0].size < s.limit/4 {
		apply(t, s, state.Write{Key: []byte("k"), Value: make([]byte, s.limit/64)})
	}
	filled := float64(s.newest.Load().layers[0].size) / float64(s.limit)
	for _, c := range []struct {
		share float64
		want  bool
	}{{0, false}, {2*filled - 0.01, false}, {2*filled + 0.01, true}, {1, true}} {
		if writing.done = int64(c.share * 1000); writing.inTime() != c.want {
			t.Errorf("%.2f in tables, the next delta filled to %.2f: in time %t, want %t", c.share, filled, !c.want, c.want)
		}
	}
}
