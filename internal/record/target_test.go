package record

import (
	"errors"
	"strings"
	"testing"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/journal"
)

// TestTarget: what a move needs to be followed, from both sides of each limit.
func TestTarget(t *testing.T) {
	whole := Target{Generation: UUID{1}, URL: "postgres://db1/shop"}
	for name, c := range map[string]struct {
		target Target
		count  int
		ok     bool
	}{
		"whole":            {whole, 0, true},
		"with a base":      {Target{UUID{1}, "x", 7, journal.Sum(nil), 0}, 0, true},
		"base without":     {Target{UUID{1}, "x", 7, journal.Hash{}, 0}, 0, false},
		"hash of no base":  {Target{UUID{1}, "x", 0, journal.Sum(nil), 0}, 0, false},
		"pace below zero":  {Target{Generation: UUID{1}, URL: "x", Pace: -1}, 0, false},
		"no generation":    {Target{URL: "x"}, 0, false},
		"nowhere":          {Target{Generation: UUID{1}}, 0, false},
		"longest URL":      {Target{Generation: UUID{1}, URL: strings.Repeat("x", LimitURL)}, 0, true},
		"URL too long":     {Target{Generation: UUID{1}, URL: strings.Repeat("x", LimitURL+1)}, 0, false},
		"with transaction": {whole, 1, false},
	} {
		r := &Record{Header: Header{Version: First, Index: 2, First: 1, Count: uint32(c.count), Moved: &c.target}, Transactions: make([]Transaction, c.count)}
		_, err := Encode(nil, r)
		if c.ok != (err == nil) || err != nil && mainstem.CodeOf(err) != mainstem.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestMovedMustBeUnderstood: a program that does not know of moves stops at one, and
// ignores that one is prepared; what is reserved is newer, not damage.
func TestMovedMustBeUnderstood(t *testing.T) {
	if headMoved&must == 0 || headPrepare&must != 0 || memberReaches&must != 0 {
		t.Errorf("marks %b, %b, %b", headMoved, headPrepare, memberReaches)
	}
	for _, key := range []byte{headKey, headVector} {
		var h Header
		if err := decodeHeader([]byte{headIndex, 1, 1, headFirst, 1, 1, key, 1, 'x'}, &h); !errors.Is(err, ErrNewer) {
			t.Errorf("field %d: %v, want a newer record", key>>1, err)
		}
	}
}
