package node

import (
	"testing"
	"time"
)

// TestHolds: a node that is away holds the log back up to both limits, and not beyond.
func TestHolds(t *testing.T) {
	for _, c := range []struct {
		behind uint64
		away   time.Duration
		want   bool
	}{
		{0, 0, true},
		{HeldRecords, 4 * time.Hour, true},
		{HeldRecords + 1, 0, false},
		{0, 4*time.Hour + 1, false},
	} {
		if got := holds(c.behind, c.away, time.Hour); got != c.want {
			t.Errorf("%d records and %s behind, with records kept for an hour: holds %v, want %v", c.behind, c.away, got, c.want)
		}
	}
}
