package load

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Call is one operation of a client, from asking until the answer.
type Call func(ctx context.Context, client int) error

// Outcome is what was measured in a window of time.
type Outcome struct {
	Ops       int64
	Elapsed   time.Duration
	Latencies *Latencies
}

// Rate is operations per second.
func (o Outcome) Rate() float64 {
	if o.Elapsed <= 0 {
		return 0
	}
	return float64(o.Ops) / o.Elapsed.Seconds()
}

// Closed is clients that each ask again as soon as they are answered.
type Closed struct {
	Clients int
	// Warm is how long they run before the window begins.
	Warm time.Duration
	// For is how long the window is.
	For time.Duration
	// Opened and Shut are called when the window begins and ends; nil is none.
	Opened, Shut func() error
}

// Run measures. An operation counts if it was answered within the window. The
// first error of a call ends the run.
func (c Closed) Run(ctx context.Context, call Call) (Outcome, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var counting atomic.Bool
	var stop atomic.Bool
	recorder := NewRecorder()
	var clients sync.WaitGroup
	for client := range c.Clients {
		clients.Go(func() {
			for !stop.Load() {
				from := time.Now()
				if err := call(ctx, client); err != nil {
					cancel(err)
					return
				}
				if counting.Load() {
					recorder.Record(client, time.Since(from))
				}
				// A client that never waits, such as a reader of what is in memory,
				// would keep its core from everybody else for ten milliseconds at a
				// time. One that serves a network waits between two requests.
				runtime.Gosched()
			}
		})
	}
	elapsed, err := c.window(ctx, &counting)
	stop.Store(true)
	clients.Wait()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	l := recorder.Latencies()
	return Outcome{Ops: l.Count(), Elapsed: elapsed, Latencies: l}, err
}

func (c Closed) window(ctx context.Context, counting *atomic.Bool) (time.Duration, error) {
	if err := pause(ctx, c.Warm); err != nil {
		return 0, err
	}
	if c.Opened != nil {
		if err := c.Opened(); err != nil {
			return 0, err
		}
	}
	from := time.Now()
	counting.Store(true)
	err := pause(ctx, c.For)
	counting.Store(false)
	elapsed := time.Since(from)
	if err == nil && c.Shut != nil {
		err = c.Shut()
	}
	return elapsed, err
}

// pause waits, or ends with the context.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
