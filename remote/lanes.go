package remote

import (
	"context"
	"sync"

	"github.com/mainstemdb/mainstem"
)

// lanes keeps one lane open: the stream that all transactions to a server share.
type lanes struct {
	open func(ctx context.Context) (*lane, error)

	mu      sync.Mutex
	current *lane
	opening *attempt
	closed  bool
	running sync.WaitGroup
}

// attempt is the opening of a lane, which several callers may wait for.
type attempt struct {
	done chan struct{}
	lane *lane
	err  error
}

// get is the lane that is open, or a new one. An error says that nothing was sent.
func (l *lanes) get(ctx context.Context) (*lane, error) {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil, errClosed
	}
	if l.current != nil && l.current.alive() {
		defer l.mu.Unlock()
		return l.current, nil
	}
	a := l.opening
	if a == nil {
		a = &attempt{done: make(chan struct{})}
		l.opening = a
		l.running.Go(func() { l.begin(a) })
	}
	l.mu.Unlock()
	select {
	case <-a.done:
		return a.lane, a.err
	case <-ctx.Done():
		return nil, mainstem.Errorf(mainstem.Cancelled, "connecting to the server: %w", context.Cause(ctx))
	}
}

// begin opens a lane on nobody's behalf: the caller that was first may give up.
func (l *lanes) begin(a *attempt) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), DialTimeout, errTimeout)
	defer cancel()
	a.lane, a.err = l.open(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.opening = nil
	switch {
	case a.err == nil && l.closed:
		a.lane.end(errClosed)
		a.lane, a.err = nil, errClosed
	case a.err == nil:
		l.current = a.lane
		l.running.Go(a.lane.wait)
	}
	close(a.done)
}

// close ends the lane and waits until nothing of it runs.
func (l *lanes) close() {
	l.mu.Lock()
	l.closed = true
	current := l.current
	l.mu.Unlock()
	if current != nil {
		current.end(errClosed)
	}
	l.running.Wait()
}

// partsOf is how many parts a transaction is on the wire: each condition and operation is
// one, and what kind it is another.
func partsOf(t *mainstem.Transaction) int {
	n := 2 * (1 + len(t.Conditions) + len(t.Operations))
	for _, o := range t.Operations {
		if a, ok := o.(mainstem.Append); ok {
			n += len(a.Events)
		}
	}
	return n
}
