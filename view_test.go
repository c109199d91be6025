package mainstem_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mainstemdb/mainstem"
)

func TestPrefixGolden(t *testing.T) {
	for _, c := range [][3]string{
		{"", "", ""},
		{"a", "a", "b"},
		{"a/", "a/", "a0"},
		{"é", "é", "ê"},
		{"a\x7f", "a\x7f", "a\u0080"},
		{"\ud7ff", "\ud7ff", "\ue000"}, // no rune lies between
		{"a\U0010ffff", "a\U0010ffff", "b"},
		{"\U0010ffff", "\U0010ffff", ""},
	} {
		if from, to := mainstem.Prefix(c[0]); from != c[1] || to != c[2] {
			t.Errorf("Prefix(%q) = %q, %q, must be %q, %q", c[0], from, to, c[1], c[2])
		}
	}
}

// A name begins with the prefix if and only if it lies in its range.
func FuzzPrefix(f *testing.F) {
	f.Add("a/", "a/b")
	f.Add("a\U0010ffff", "b")
	f.Add("\ud7ff", "\ue000")
	f.Add("a\x7f", "a\u0080")
	f.Fuzz(func(t *testing.T, prefix, name string) {
		if !utf8.ValidString(prefix) || !utf8.ValidString(name) {
			return
		}
		from, to := mainstem.Prefix(prefix)
		if !utf8.ValidString(to) {
			t.Fatalf("Prefix(%q) ends at %q, which is not valid UTF-8", prefix, to)
		}
		in := from <= name && (to == "" || name < to)
		if in != strings.HasPrefix(name, prefix) {
			t.Fatalf("Prefix(%q) = [%q, %q), and %q is in it: %v", prefix, from, to, name, in)
		}
	})
}
