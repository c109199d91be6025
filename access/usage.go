package access

import (
	"crypto/subtle"
	"sync/atomic"
	"time"

	"github.com/mainstemdb/mainstem"
)

func equal(a, b *Hash) int { return subtle.ConstantTimeCompare(a[:], b[:]) }

// pace lets events through at a rate, after a burst: the generic cell rate
// algorithm of ITU-T I.371, whose state is the time when the next event is due.
type pace struct{ due atomic.Int64 }

// take takes one event of interval nanoseconds, or says how long to wait for it.
func (p *pace) take(now time.Duration, interval, burst int64) (wait time.Duration) {
	for {
		due := p.due.Load()
		from := max(due, int64(now))
		if early := from - int64(now) - (burst-1)*interval; early > 0 {
			return time.Duration(early)
		}
		if p.due.CompareAndSwap(due, from+interval) {
			return 0
		}
	}
}

// usage is what a client uses now.
type usage struct {
	requests       pace
	running, feeds atomic.Int64
	audit          audit
}

// request counts a request, or is Overloaded.
func (c *client) request(now time.Duration) (Reason, error) {
	if c.limits.Requests == 0 {
		return "", nil
	}
	burst := c.limits.Burst
	if burst == 0 {
		burst = c.limits.Requests
	}
	wait := c.usage.requests.take(now, int64(time.Second)/int64(c.limits.Requests), int64(burst))
	if wait == 0 {
		return "", nil
	}
	return TooMany, mainstem.Errorf(mainstem.Overloaded, "client %s may begin %d requests per second; the next one in %s",
		short(c.name), c.limits.Requests, wait.Round(time.Millisecond))
}

// begin takes a place among those of one kind that are under way, or is Overloaded.
func (c *client) begin(places *atomic.Int64, most int, why Reason, noun string) (Reason, error) {
	if n := places.Add(1); most > 0 && n > int64(most) {
		places.Add(-1)
		return why, mainstem.Errorf(mainstem.Overloaded, "client %s has %d %s; the limit is %d", short(c.name), most, noun, most)
	}
	return "", nil
}

// run takes a place among transactions and views.
func (c *client) run() (Reason, error) {
	return c.begin(&c.usage.running, c.limits.Concurrent, TooManyAtOnce, "transactions and views under way")
}

// follow takes a place among feeds.
func (c *client) follow() (Reason, error) {
	return c.begin(&c.usage.feeds, c.limits.Feeds, TooManyFeeds, "feeds open")
}
