package pg

import (
	"math"
	"testing"

	"github.com/mainstemdb/mainstem"
)

// Tokens are in clients' hands: their form stays.
var tokens = []struct {
	seen seen
	text string
}{
	{seen{}, ""},
	{seen{system: 1, timeline: 2, lsn: 3}, "AQAAAAAAAAABAAAAAgAAAAAAAAADtLfmrA"},
	{seen{system: math.MaxUint64, timeline: math.MaxUint32, lsn: unplaced}, ""},
}

func TestTokensKeepTheirForm(t *testing.T) {
	for _, c := range tokens {
		text := c.seen.String()
		if c.text != "" && text != c.text {
			t.Errorf("%v is %q, want %q", c.seen, text, c.text)
		}
		if back, err := parseSeen(text); err != nil || back != c.seen {
			t.Errorf("%q is %v, want %v: %v", text, back, c.seen, err)
		}
		for i := range text {
			changed := []byte(text)
			changed[i] ^= 1
			if _, err := parseSeen(string(changed)); mainstem.CodeOf(err) != mainstem.Invalid {
				t.Errorf("%q, changed from %q, is taken: %v", changed, text, err)
			}
		}
	}
}

func FuzzToken(f *testing.F) {
	for _, c := range tokens {
		f.Add(c.seen.String())
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseSeen(text)
		if err != nil && mainstem.CodeOf(err) != mainstem.Invalid {
			t.Errorf("%q: %v", text, err)
		}
		if err == nil && s.String() != text {
			t.Errorf("%q is taken, and is written %q", text, s.String())
		}
	})
}
