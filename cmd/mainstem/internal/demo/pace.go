package demo

import (
	"context"
	"math/rand/v2"
	"sort"
	"time"
)

// pace says when each purchase begins and when each kill happens. Purchases
// are spread evenly over the planned length, but those planned just before a
// kill come all at once, so that it cuts off as many as there are shoppers; a
// purchase planned after a kill waits for it. So every kill falls inside the
// run, however slow or fast the database is.
type pace struct {
	start  time.Time
	length time.Duration
	total  int
	strike []strike // ascending
}

// strike is one kill: when the crowd before it may begin, how long after that
// the kill comes, and a channel that is closed when it has happened.
type strike struct {
	moment, delay time.Duration
	killed        chan struct{}
}

const (
	crowdTime = 40 * time.Millisecond // how long before a kill shoppers gather
	delayMost = 4 * time.Millisecond  // a purchase takes about that long
)

// newPace draws one moment in each of as many equal parts of the run as there
// are kills, leaving its first and last tenth alone.
func newPace(p plan, rng *rand.Rand) *pace {
	w := &pace{length: p.length, total: len(p.orders)}
	slot := p.length * 8 / 10 / time.Duration(max(1, p.kills))
	for i := range p.kills {
		w.strike = append(w.strike, strike{
			moment: p.length/10 + time.Duration(i)*slot + time.Duration(rng.Int64N(int64(slot))),
			delay:  time.Duration(rng.Int64N(int64(delayMost))),
			killed: make(chan struct{}),
		})
	}
	return w
}

// due waits until purchase i may begin.
func (w *pace) due(ctx context.Context, i int) error {
	if w.length == 0 {
		return context.Cause(ctx)
	}
	planned := w.length * time.Duration(i) / time.Duration(w.total)
	before := sort.Search(len(w.strike), func(k int) bool { return w.strike[k].moment > planned })
	if before < len(w.strike) && w.strike[before].moment-planned < crowdTime {
		planned = w.strike[before].moment
	}
	if err := w.until(ctx, planned); err != nil {
		return err
	}
	for _, s := range w.strike[:before] {
		select {
		case <-s.killed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// until waits for a moment of the run.
func (w *pace) until(ctx context.Context, moment time.Duration) error {
	return pause(ctx, time.Until(w.start.Add(moment)))
}

// pause waits, or ends with the context.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return context.Cause(ctx)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
