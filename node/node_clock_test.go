package node_test

import (
	"fmt"
	"testing"
	"time"
)

// TestWallTimeGoesOnAtHalfSpeed: the wall clock is set back by an hour. What is
// recorded neither runs backwards nor stands still: it goes on at half speed,
// until the clock has caught up, and then follows it again (L6).
func TestWallTimeGoesOnAtHalfSpeed(t *testing.T) {
	w := start(t)
	began := w.must("g", "before").Wall
	w.clock.Jump(-time.Hour)
	recorded := func(passed time.Duration) time.Duration {
		return w.must("g", fmt.Sprint("after-", passed)).Wall.Sub(began)
	}
	passed := time.Duration(0)
	for _, c := range []struct{ more, want time.Duration }{
		{0, 0},
		{10 * time.Minute, 5 * time.Minute},
		{50 * time.Minute, 30 * time.Minute},
		{time.Hour, time.Hour},               // the clock has caught up
		{10 * time.Minute, 70 * time.Minute}, // and leads again
	} {
		w.clock.Advance(c.more)
		passed += c.more
		if got := recorded(passed); got != c.want {
			t.Errorf("%s after the clock was set back by an hour, recorded wall time is %s on, want %s (L6)", passed, got, c.want)
		}
	}
	w.close()
}
