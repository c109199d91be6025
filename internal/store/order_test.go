package store

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mainstemdb/mainstem/internal/state"
)

// TestOrder puts keys that share long beginnings, end in zeros and are of all
// lengths into a delta, some after others were asked for, and asks for ranges.
func TestOrder(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	d := newDelta(1 << 20)
	there := map[string]bool{}
	for range 3_000 {
		key := []byte{"aerz"[random.IntN(4)]}
		for range random.IntN(30) {
			key = append(key, "\x00\x00ab\xff"[random.IntN(5)])
		}
		d.add(&state.Write{Key: key})
		there[string(key)] = true
		if random.IntN(500) == 0 {
			d.runs("aerz"[random.IntN(4)], d.count)
		}
	}
	var want [][]byte
	for key := range there {
		want = append(want, []byte(key))
	}
	slices.SortFunc(want, bytes.Compare)
	for _, r := range []struct{ from, to []byte }{
		{nil, nil}, {[]byte("e"), []byte("f")}, {[]byte("b"), []byte("q")}, {[]byte("a\x00a"), []byte("r")}, {[]byte("e\xff"), []byte("r\x00ab")},
	} {
		var in [][]byte
		for _, key := range want {
			if bytes.Compare(key, r.from) >= 0 && (r.to == nil || bytes.Compare(key, r.to) < 0) {
				in = append(in, key)
			}
		}
		for _, back := range []bool{false, true} {
			var got [][]byte
			for w := d.walk(d.count, r.from, r.to, back); w.row() >= 0; w.next() {
				got = append(got, d.key(w.row()))
			}
			if back {
				slices.Reverse(got)
			}
			if !slices.EqualFunc(got, in, bytes.Equal) {
				t.Errorf("[%q, %q), back %v: %d rows, not the %d that are there in order", r.from, r.to, back, len(got), len(in))
			}
		}
	}
	if len(d.whole()) != len(want) {
		t.Errorf("whole has %d groups of %d", len(d.whole()), len(want))
	}
}
