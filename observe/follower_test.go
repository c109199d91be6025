package observe

import (
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// TestFollowersAreBounded: whatever followers are called and however many there
// are, LimitFollowers are told apart, and the rest is counted together.
func TestFollowersAreBounded(t *testing.T) {
	o := New()
	series := func() (n int) {
		to := make(chan prometheus.Metric)
		go func() { defer close(to); o.Collect(to) }()
		for range to {
			n++
		}
		return n
	}
	before := series()
	name := func(i int) string { return fmt.Sprint("f-", i) }
	for i := range LimitFollowers {
		if got := o.followers.of(name(i)).name; got != name(i) {
			t.Fatalf("follower %d of %d is counted as %q", i+1, LimitFollowers, got)
		}
	}
	for i := range 1000 {
		if got := o.followers.of(name(LimitFollowers + i)).name; got != moreFollowers {
			t.Fatalf("follower %d is counted as %q", LimitFollowers+i+1, got)
		}
	}
	if o.followers.of(name(3)).name != name(3) || o.followers.of("").name != "" {
		t.Error("one that was known is not any more")
	}
	const each = 9 // series of a follower
	if got, want := series()-before, each*(LimitFollowers+1); got != want {
		t.Errorf("%d followers make %d series, want %d", LimitFollowers+1000, got, want)
	}
}
