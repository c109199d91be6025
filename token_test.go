package mainstem_test

import (
	"strings"
	"testing"

	"github.com/mainstemdb/mainstem"
)

func mark(partition int, incarnation mainstem.Incarnation, p mainstem.Position, hash uint32) mainstem.Mark {
	return mainstem.Mark{Partition: partition, Incarnation: incarnation, Position: p, Hash: hash}
}

// The written form is for ever: tokens live in cookies and in stored cursors.
var goldenTokens = []struct {
	text  string
	marks []mainstem.Mark
}{
	{"", nil},
	{"AQAAAAAAAAAAAAAABwAAAAAAAAAq3q2-77btgPE", []mainstem.Mark{mark(0, 7, 42, 0xdeadbeef)}},
	{
		"AQAAAAAAAAAAAAAABwAAAAAAAAAqAAAAAQAAAA___________wAAAQAAAAAAAAAAAsKqkEo",
		[]mainstem.Mark{mark(0, 7, 42, 1), mark(15, 1<<64-1, 1<<40, 2)},
	},
}

func TestTokenGolden(t *testing.T) {
	for _, g := range goldenTokens {
		token := mainstem.NewToken(g.marks...)
		if got := token.String(); got != g.text {
			t.Errorf("token of %v is written %q, must be %q", g.marks, got, g.text)
		}
		back, err := mainstem.ParseToken(g.text)
		if err != nil || back != token {
			t.Errorf("ParseToken(%q) = %v, %v", g.text, back.Marks(), err)
		}
	}
}

func TestTokenKeepsTheHighest(t *testing.T) {
	token := mainstem.NewToken(mark(1, 7, 5, 9), mark(0, 7, 3, 9), mark(1, 7, 8, 1), mark(1, 6, 90, 1), mark(2, 7, 0, 3))
	want := []mainstem.Mark{mark(0, 7, 3, 9), mark(1, 6, 90, 1), mark(1, 7, 8, 1)}
	got := token.Marks()
	if len(got) != len(want) {
		t.Fatalf("marks %v, must be %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("mark %d is %v, must be %v", i, got[i], want[i])
		}
	}
}

func TestParseTokenRefuses(t *testing.T) {
	good := mainstem.NewToken(mark(3, 7, 42, 1)).String()
	for name, text := range map[string]string{
		"padding":        good + "=",
		"cut off":        good[:len(good)-1],
		"one more":       good + "A",
		"flipped":        "B" + good[1:],
		"other version":  "Ag" + good[2:],
		"blank":          " ",
		"line break":     good[:8] + "\n" + good[8:],
		"standard":       strings.Repeat("+/", 18),
		"longer than is": strings.Repeat("A", 300_000),
	} {
		if token, err := mainstem.ParseToken(text); mainstem.CodeOf(err) != mainstem.Invalid {
			t.Errorf("%s: ParseToken = %v, %v, must be invalid", name, token.Marks(), err)
		}
	}
}

func FuzzParseToken(f *testing.F) {
	for _, g := range goldenTokens {
		f.Add(g.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		token, err := mainstem.ParseToken(text)
		if err != nil {
			if mainstem.CodeOf(err) != mainstem.Invalid {
				t.Fatalf("%q fails as %v, must be invalid", text, err)
			}
			return
		}
		if token.String() != text {
			t.Fatalf("%q and %q are one token", text, token)
		}
		if mainstem.NewToken(token.Marks()...) != token {
			t.Fatalf("%q is not what its marks make", text)
		}
	})
}

// Merging is a least upper bound: what the session guarantees rest on.
func FuzzTokenMerge(f *testing.F) {
	f.Add(uint8(1), uint8(2), uint8(3), uint8(4), uint8(5), uint8(6))
	f.Fuzz(func(t *testing.T, a, b, c, d, e, g uint8) {
		token := func(x, y uint8) mainstem.Token {
			return mainstem.NewToken(
				mark(int(x%3), mainstem.Incarnation(x>>2%2), mainstem.Position(x>>3), 1),
				mark(int(y%3), mainstem.Incarnation(y>>2%2), mainstem.Position(y>>3), 1))
		}
		x, y, z := token(a, b), token(c, d), token(e, g)
		if x.Merge(y) != y.Merge(x) {
			t.Error("merging depends on the order")
		}
		if x.Merge(y).Merge(z) != x.Merge(y.Merge(z)) {
			t.Error("merging depends on the grouping")
		}
		if x.Merge(x) != x || x.Merge(mainstem.Token{}) != x {
			t.Error("merging with itself, or with nothing, changes a token")
		}
		if x.Merge(y).Merge(y) != x.Merge(y) {
			t.Error("merging again changes a token")
		}
	})
}
