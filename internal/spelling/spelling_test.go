package spelling

import "testing"

func TestNearest(t *testing.T) {
	known := []string{"memory", "drain", "dir", "tls.client_ca"}
	for word, want := range map[string]string{
		"memroy": "memory", "Memory": "memory", "drian": "drain", "tls.client-ca": "tls.client_ca", "x": "", "": "", "completely": "", "di": "dir",
	} {
		if got := Nearest(word, known); got != want {
			t.Errorf("nearest to %q is %q, want %q", word, got, want)
		}
	}
}

func TestEdits(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "", 3}, {"", "abc", 3}, {"abc", "abd", 1}, {"abc", "bc", 1}, {"kitten", "sitting", 3}, {"ab", "ba", 1}, {"dleta", "delta", 1}, {"dleta", "delete", 2}} {
		if got := edits(c.a, c.b); got != c.want {
			t.Errorf("from %q to %q: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
