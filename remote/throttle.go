package remote

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/wire"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
)

// A client that is told overloaded sends less: of what its callers ask in a while it
// sends at most so many times what the server took, and tells the rest itself, at
// once. What a server has to refuse costs it nearly as much as what it does.
const (
	throttleFactor = 1.5
	throttleMost   = 0.97                   // share of calls that are not sent, so that somebody finds out
	throttleWhile  = 500 * time.Millisecond // after which a call counts half
)

// throttle is how much of what callers asked a server took.
//
// Source: Beyer and others, "Site Reliability Engineering", 2016, chapter 21, client-side
// throttling.
type throttle struct {
	// What a call is told that is not sent: the same to all, since they are many.
	refusal *mainstem.Error
	outcome *pb.Outcome // the same, for what has waited to be sent

	mu           sync.Mutex
	asked, taken float64
	at           time.Time
}

func newThrottle(address string) *throttle {
	e := &mainstem.Error{
		Code: mainstem.Overloaded, Message: "server " + address + " is taking a part of what this client sends, and was not asked",
		Advice: "repeat after a pause that grows",
	}
	return &throttle{refusal: e, outcome: &pb.Outcome{Outcome: &pb.Outcome_Error{Error: wire.Error(e, mainstem.Overloaded)}}}
}

// pass lets a call through, or says that it would be refused.
func (t *throttle) pass() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fade(time.Now())
	excess := min(throttleMost, (t.asked-throttleFactor*t.taken)/(t.asked+1))
	if excess <= 0 || rand.Float64() >= excess {
		return nil // it counts as asked once it is answered: until then nobody knows better
	}
	t.asked++
	return t.refusal
}

// tell says how many calls the server has answered, and how many of those it had
// taken, whatever came of them.
func (t *throttle) tell(answered, taken int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fade(time.Now())
	t.asked, t.taken = t.asked+float64(answered), t.taken+float64(taken)
}

// fade forgets: by half in a while, a tenth of that at a time.
func (t *throttle) fade(now time.Time) {
	const step = throttleWhile / 10
	switch gone := now.Sub(t.at); {
	case gone >= 20*throttleWhile:
		t.asked, t.taken, t.at = 0, 0, now
	case gone >= step:
		for ; gone >= step; gone -= step {
			t.asked, t.taken = t.asked*fading, t.taken*fading
		}
		t.at = now.Add(-gone)
	}
}

const fading = 0.93303299 // 2^(-1/10)
