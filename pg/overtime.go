package pg

import (
	"errors"
	"time"

	"github.com/mainstemdb/mainstem"
)

// overtime is the error of a statement of Apply's that the server ended because it took
// too long. Statements of ours were answered in the same transaction just before, and a
// lock is not waited for so long.
type overtime struct{ err error }

func (o *overtime) Error() string { return o.err.Error() }
func (o *overtime) Unwrap() error { return o.err }

func isOvertime(err error) bool { return errors.As(err, new(*overtime)) }

// patience is how often in a row a delivery took too long, and since when.
type patience struct {
	times int
	since time.Time
}

// over judges one more failure of a delivery that began then: after so many and so long,
// its events are the reason. Any other failure between shows that the server is in
// trouble.
func (p *patience) over(err error, began time.Time, attempts int, most time.Duration) error {
	switch {
	case !isOvertime(err):
		p.times = 0
		return nil
	case p.times == 0:
		p.since = began
	}
	p.times++
	if lasted := time.Since(p.since); p.times >= attempts && lasted >= most {
		return mainstem.Errorf(mainstem.Invalid, "it took longer than the target's statement_timeout, %d times in %s: %w", p.times, lasted.Round(time.Millisecond), err)
	}
	return nil
}
