package access

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, group string
		matches        bool
	}{
		{"orders", "orders", true},
		{"orders", "orders-1", false},
		{"orders-*", "orders-1", true},
		{"orders-*", "orders-", true},
		{"orders-*", "orders", false},
		{"*", "orders", true},
		{"*", "~follow/ship", false},
		{"~*", "~follow/ship", true},
		{"~follow/ship*", "~follow/ship/3", true},
		{"~*", "orders", false},
		{"*", "", true},
	} {
		if got := patternOf(c.pattern).matches(c.group); got != c.matches {
			t.Errorf("%s matches %s: %t, want %t", c.pattern, c.group, got, c.matches)
		}
	}
}

// TestPatternMeets holds meets to what it is about: that some group matches.
func TestPatternMeets(t *testing.T) {
	letters := rapid.StringOfN(rapid.RuneFrom([]rune("ab~")), 0, 3, -1)
	rapid.Check(t, func(t *rapid.T) {
		p := pattern{letters.Draw(t, "pattern"), rapid.Bool().Draw(t, "all")}
		prefix, rest := letters.Draw(t, "prefix"), letters.Draw(t, "rest")
		if p.matches(prefix+rest) && !p.meets(prefix) {
			t.Fatalf("%+v matches %q, and does not meet the prefix %q", p, prefix+rest, prefix)
		}
	})
}

func TestSpans(t *testing.T) {
	for _, c := range []struct {
		prefix, from, to string
		holds            bool
	}{
		{"stock/", "stock/", "stock0", true},
		{"stock/", "stock/a", "stock/b", true},
		{"stock/", "stock/a\x00", "stock0", true},
		{"stock/", "stock/", "stock0\x00", false},
		{"stock/", "stock/", "", false},
		{"stock/", "stock", "stock0", false},
		{"stock/", "", "stock0", false},
		{"stock/", "stock0", "stock1", false},
		{"stock/", "stock/b", "stock/a", true}, // holds nothing
		{"\U0010FFFF", "\U0010FFFF", "", true},
	} {
		if got := spanOf(c.prefix).holds(c.from, c.to); got != c.holds {
			t.Errorf("%q holds [%q, %q): %t, want %t", c.prefix, c.from, c.to, got, c.holds)
		}
	}
}

// TestSpanHoldsNothingElse looks for a name that a range has and its prefix has not.
func TestSpanHoldsNothingElse(t *testing.T) {
	letters := rapid.StringOfN(rapid.RuneFrom([]rune("ab\x00\u007f\ud7ff\ue000\U0010ffff")), 0, 4, -1)
	rapid.Check(t, func(t *rapid.T) {
		prefix := letters.Filter(func(s string) bool { return s != "" }).Draw(t, "prefix")
		from, to, name := letters.Draw(t, "from"), letters.Draw(t, "to"), letters.Draw(t, "name")
		if rapid.Bool().Draw(t, "near") {
			from, name = prefix+from, prefix+name
		}
		inside := from <= name && (to == "" || name < to)
		if spanOf(prefix).holds(from, to) && inside && !strings.HasPrefix(name, prefix) {
			t.Fatalf("the prefix %q holds [%q, %q), which has %q", prefix, from, to, name)
		}
	})
}

func TestRightNames(t *testing.T) {
	if (Read|Write).String() != "read or write" || Right(0).String() != "none" {
		t.Errorf("sets are %s and %s", Read|Write, Right(0))
	}
	for _, r := range Rights() {
		var again Right
		if err := again.UnmarshalText([]byte(r.String())); err != nil || again != r {
			t.Errorf("%s is read as %s: %v", r, again, err)
		}
	}
}
