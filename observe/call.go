package observe

import (
	"sync/atomic"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/tally"
)

// kind is a kind of call.
type kind int

const (
	kindCommit kind = iota
	kindView
	kindRead
	kinds
)

var kindNames = [kinds]string{"commit", "view", "read"}

// outcome is what came of a call: a code, one of those below, or outcomeFailed
// for an error without a code.
type outcome int

const outcomeFailed outcome = 0

// What is no code comes after the codes.
var (
	outcomeDone     = outcome(len(mainstem.Codes()) + 1)
	outcomeRefused  = outcomeDone + 1
	outcomeReplayed = outcomeDone + 2
	outcomes        = outcomeDone + 3
)

func (o outcome) String() string {
	switch o {
	case outcomeFailed:
		return "failed"
	case outcomeDone:
		return "done"
	case outcomeRefused:
		return "refused"
	case outcomeReplayed:
		return "replayed"
	}
	return mainstem.Code(o).String()
}

func outcomeOf(err error) outcome {
	if err == nil {
		return outcomeDone
	}
	return outcome(mainstem.CodeOf(err))
}

// calls are those of one kind.
type calls struct {
	running atomic.Int64
	took    []tally.Histogram // by outcome, in nanoseconds
	// start is what times are measured from: time.Since asks the monotonic clock
	// alone, where time.Now asks two, which is most of what observing costs.
	start time.Time
}

func (c *calls) init() { c.took, c.start = make([]tally.Histogram, outcomes), time.Now() }

func (c *calls) begin() time.Duration {
	c.running.Add(1)
	return time.Since(c.start)
}

func (c *calls) end(began time.Duration, o outcome) (took time.Duration) {
	took = time.Since(c.start) - began
	c.took[o].Observe(int64(took))
	c.running.Add(-1)
	return took
}
