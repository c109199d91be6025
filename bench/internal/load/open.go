package load

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// Open is arrivals that come whether or not the earlier ones were answered, at
// random moments of a fixed rate (a Poisson process).
type Open struct {
	// Rate is arrivals per second.
	Rate float64
	For  time.Duration
	// Clients is how many calls may be under way; arrivals beyond wait, and
	// their wait is part of their latency.
	Clients int
	Seed    uint64
	// Wait lets time pass until the next arrival; nil is what adds least of its
	// own at that rate.
	Wait func(time.Duration)
	// Opened and Shut are called when the window begins and ends; nil is none.
	Opened, Shut func() error
}

// Gaps is the time between arrivals: exponentially distributed with the rate.
func Gaps(rate float64, seed uint64) func() time.Duration {
	random := rand.New(rand.NewPCG(seed, 0))
	return func() time.Duration { return time.Duration(random.ExpFloat64() / rate * float64(time.Second)) }
}

// Run measures. A call's latency counts from the moment when it was meant to
// begin: a system that stalls keeps later callers waiting, and to leave their
// wait out would be to ask only those who did not suffer ("coordinated
// omission"). Ops are those that were answered, Elapsed lasts until the last
// answer.
func (o Open) Run(ctx context.Context, call Call) (Outcome, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	recorder := NewRecorder()
	// Those who arrive and are not served yet. Should it fill up, the next are
	// let in late, but their latency still counts from when they were meant to come.
	arrivals := make(chan time.Time, min(int(o.Rate*o.For.Seconds())+1, 1<<20))
	var clients sync.WaitGroup
	for client := range o.Clients {
		clients.Go(func() {
			for meant := range arrivals {
				if ctx.Err() != nil {
					continue
				}
				if err := call(ctx, client); err != nil {
					cancel(err)
					continue
				}
				recorder.Record(client, time.Since(meant))
			}
		})
	}
	if o.Opened != nil {
		if err := o.Opened(); err != nil {
			cancel(err)
		}
	}
	from := time.Now()
	o.arrive(ctx, from, arrivals)
	close(arrivals)
	clients.Wait()
	elapsed := time.Since(from)
	if o.Shut != nil && ctx.Err() == nil {
		if err := o.Shut(); err != nil {
			cancel(err)
		}
	}
	l := recorder.Latencies()
	return Outcome{Ops: l.Count(), Elapsed: elapsed, Latencies: l}, context.Cause(ctx)
}

func (o Open) arrive(ctx context.Context, from time.Time, arrivals chan<- time.Time) {
	wait := o.Wait
	if wait == nil {
		var done func()
		wait, done = waitFor(o.Rate)
		defer done()
	}
	gap := Gaps(o.Rate, o.Seed)
	next, end := from, from.Add(o.For)
	for next = next.Add(gap()); next.Before(end) && ctx.Err() == nil; next = next.Add(gap()) {
		for d := time.Until(next); d > 0; d = time.Until(next) { // a signal cuts a wait short
			wait(d)
		}
		select {
		case arrivals <- next:
		case <-ctx.Done():
		}
	}
}
