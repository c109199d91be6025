package remote

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstemdb/mainstem"
)

// offer lets so many calls come to a server that takes some of each second, for some
// seconds, and returns how many were sent to it and taken in the last of them.
func offer(t *throttle, perSecond, capacity, seconds int) (sent, taken int) {
	for range seconds {
		sent, taken = 0, 0
		for range 100 { // in steps of ten milliseconds
			now, did := 0, 0
			for range perSecond / 100 {
				if t.pass() == nil {
					now++
				}
			}
			did = min(now, capacity/100)
			t.tell(now, did)
			sent, taken = sent+now, taken+did
			<-time.After(10 * time.Millisecond) // in a bubble
		}
	}
	return sent, taken
}

// TestThrottle: what a server takes goes to it, a part more to find out whether it
// takes more again, and the rest nowhere.
func TestThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := newThrottle("a")
		if sent, _ := offer(one, 1000, 1000, 10); sent != 1000 {
			t.Errorf("of 1000 calls that a server can take, %d are sent", sent)
		}
		sent, taken := offer(one, 10_000, 1000, 10)
		if sent > 1700 || taken < 900 {
			t.Errorf("of 10 times what a server can take, %d calls are sent and %d taken; want 1500 and 1000", sent, taken)
		}
		if sent, taken = offer(one, 10_000, 3000, 10); sent < 4000 || taken < 2700 {
			t.Errorf("when it takes 3000 again, %d are sent and %d taken", sent, taken)
		}
		if sent, _ = offer(one, 900, 1000, 10); sent != 900 {
			t.Errorf("ten seconds after, of 900 calls %d are sent", sent)
		}
	})
}

// TestThrottleFindsAWayBack: from a server that took nothing at all, some calls go
// there, and when it takes them everything does.
func TestThrottleFindsAWayBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := newThrottle("a")
		if sent, _ := offer(one, 1000, 0, 30); sent == 0 || sent > 60 {
			t.Errorf("to a server that takes nothing %d of 1000 calls go", sent)
		}
		if sent, _ := offer(one, 1000, 1000, 15); sent != 1000 {
			t.Errorf("to a server that takes everything again %d of 1000 calls go", sent)
		}
		one.tell(50, 0)
		time.Sleep(time.Minute)
		if err := one.pass(); err != nil {
			t.Errorf("a minute after: %v", err)
		}
		if err := refusal(one); mainstem.CodeOf(err) != mainstem.Overloaded {
			t.Errorf("a call that is not sent ends with %v", err)
		}
	})
}

// refusal is what a call is told that is not sent.
func refusal(t *throttle) error {
	t.tell(1000, 0)
	for {
		if err := t.pass(); err != nil {
			return err
		}
	}
}

// TestRefusalsCostNothing: who asks ten times as often as a server answers gets no
// slower by what it is told.
func TestRefusalsCostNothing(t *testing.T) {
	one := newThrottle("a")
	const n = 1000
	told := testing.AllocsPerRun(10, func() {
		one.tell(n, 0)
		for range n {
			_ = one.pass() // nearly always an error
		}
	})
	if told > 0 {
		t.Errorf("%d calls, most of which are not sent, cost %.0f objects", n, told)
	}
}
