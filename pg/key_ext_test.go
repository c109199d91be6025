package pg_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
)

// TestKeyVectors: keys are stored, so they never change.
func TestKeyVectors(t *testing.T) {
	for _, c := range []struct {
		parts []string
		want  string
	}{
		{nil, ""},
		{[]string{""}, "|"},
		{[]string{"", ""}, "||"},
		{[]string{"charge", "order-42"}, "charge|order-42|"},
		{[]string{"a|b", "c"}, "a%7Cb|c|"},
		{[]string{"a", "b|c"}, "a|b%7Cc|"},
		{[]string{"100%", "%7C", "#1"}, "100%25|%257C|%231|"},
		{[]string{"nul\x00", "ü"}, "nul%00|ü|"},
		{[]string{strings.Repeat("x", mainstem.LimitName-1)}, strings.Repeat("x", mainstem.LimitName-1) + "|"},
		{[]string{strings.Repeat("x", mainstem.LimitName)}, "#s_pgYZun468RbQt84Y6EtJ5PQxPqVzIzjI7efOOOOCQ"},
	} {
		if got := pg.Key(c.parts...); got != c.want {
			t.Errorf("Key(%.40q) is %q, want %q", c.parts, got, c.want)
		}
	}
}

// TestKeyIsInjective: different parts, different keys; and every key is a name.
func TestKeyIsInjective(t *testing.T) {
	part := rapid.StringOfN(rapid.SampledFrom([]rune("ab|%#7C25\x00")), 0, 6, -1)
	parts := rapid.SliceOfN(part, 1, 4)
	rapid.Check(t, func(t *rapid.T) {
		a, b := parts.Draw(t, "a"), parts.Draw(t, "b")
		if (pg.Key(a...) == pg.Key(b...)) != slices.Equal(a, b) {
			t.Fatalf("Key(%q) is %q, and Key(%q) is %q", a, pg.Key(a...), b, pg.Key(b...))
		}
		if err := mainstem.CheckName("request", pg.Key(a...)); err != nil {
			t.Fatal(err)
		}
	})
}
