package numbers

import (
	"testing"
)

func TestCommit(t *testing.T) {
	got := run(t, "commit", "to1", "2 ms", "to2", "70 ms", "sync", "1 ms", "client", "20 ms")
	for name, want := range map[string]float64{
		"copies": 3, "majority": 2, "copies that may fail": 1, "commit": 0.003, "answer": 0.023, "decisions on one key in a row": 1 / 0.003,
		"commit without the nearest follower": 0.071,
	} {
		near(t, name, got[name], want, 1e-9)
	}
	five := run(t, "commit", "to1", "100 ms", "to2", "2 ms", "to3", "90 ms", "to4", "10 ms", "sync", "1 ms")
	near(t, "of five the third is needed, the second follower", five["commit"], 0.011, 1e-9)
	near(t, "the next one", five["commit without the nearest follower"], 0.091, 1e-9)
	if five["majority"] != 3 || five["copies that may fail"] != 2 {
		t.Errorf("%v", five)
	}
	four := run(t, "commit", "to1", "1 ms", "to2", "2 ms", "to3", "3 ms")
	if four["majority"] != 3 || four["copies that may fail"] != 1 {
		t.Errorf("four copies: %v", four)
	}
}

// TestGrowth against adding up month by month.
func TestGrowth(t *testing.T) {
	used, months := 400e9, 0.0
	for used*1.08 <= 1.4e12 {
		used *= 1.08
		months++
	}
	if got := run(t, "growth")["months until full"]; got < months || got > months+1 {
		t.Errorf("%v, and month by month %v", got, months)
	}
	near(t, "doubling at 100 %", run(t, "growth", "growth", "100 %")["months to double"], 1, 1e-9)
	if got := run(t, "growth", "limit", "1 GB"); got["months until full"] != 0 {
		t.Errorf("full already: %v", got)
	}
}

// TestBudget has the figures of the Site Reliability Workbook.
func TestBudget(t *testing.T) {
	near(t, "99.9 % of 30 days", run(t, "budget")["may fail in the window, as time"], 43.2*60, 1e-9)
	wakes := run(t, "budget", "failing", "1.44 %")
	near(t, "burn rate", wakes["burn rate"], 14.4, 1e-9)
	near(t, "two percent in an hour", 3600/wakes["gone after"], 0.02, 1e-9)
}
