package postgres

import "testing"

// TestPromise: how many servers have a record, and how many of them when it is
// acknowledged, by synchronous_standby_names as its manual writes it.
func TestPromise(t *testing.T) {
	for names, want := range map[string]string{
		"":                     "w 1 + r 1 > n 1",
		"b":                    "w 2 + r 1 > n 2",
		"b, c":                 "w 2 + r 2 > n 3",
		"1 (b, c)":             "w 2 + r 2 > n 3",
		"FIRST 2 (b, c, d)":    "w 3 + r 2 > n 4",
		"any 2 (b, c)":         "w 3 + r 1 > n 3",
		"ANY 1 (\"b\", \"c\")": "w 2 + r 2 > n 3",
		"*":                    "w 2 + r 1 > n 2",
		"ANY 2 (*)":            "w 3 + r 1 > n 3",
	} {
		g := Promise(names)
		if got := g.Quorum().String(); got != want || len(g.Weak) > 0 {
			t.Errorf("%q: %s, weak %v; want %s", names, got, g.Weak, want)
		}
	}
}
