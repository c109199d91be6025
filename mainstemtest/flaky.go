package mainstemtest

import (
	"context"
	"iter"
	"math/rand/v2"
	"sync"

	"github.com/mainstemdb/mainstem"
)

// Fault is what a Flaky does to one call.
type Fault uint8

// The faults. Whatever a caller cannot know is Undecided for a Commit and
// Unavailable for a View, as over a network.
const (
	// Deliver does nothing to the call.
	Deliver Fault = iota
	// LoseReply runs the request; its answer does not arrive.
	LoseReply
	// LoseRequest does not run the request, and no answer arrives.
	LoseRequest
	// Delay keeps a Commit back, in the state in which it was sent, until
	// Arrive; no answer arrives. A View is lost.
	Delay
	// Repeat runs a Commit, and at once a second copy of it; the answer of the
	// first arrives.
	Repeat
	// Stall pauses the network for a moment of at most 2 ms: this call, and
	// every call that comes meanwhile, waits and then goes on.
	Stall
	// Break cuts the network off: the call is not run and no answer arrives, and
	// every feed that runs ends. In a storm up to seven more calls, as many as
	// the seed says, find it cut off.
	Break
)

var faultNames = [...]string{"deliver", "lose reply", "lose request", "delay", "repeat", "stall", "break"}

// String is the fault in words.
func (f Fault) String() string {
	if int(f) >= len(faultNames) {
		return "unknown fault"
	}
	return faultNames[f]
}

// Flaky is a Backend that stands between a client and another Backend like a
// bad network: it loses replies and requests, delays and repeats them, pauses,
// and cuts off. It marks every transaction as Networked, because its requests
// can be delayed and repeated (L11). Faults come on command, by Next, Pause and
// Cut, or from a seed, by Storm; without either it only passes on.
type Flaky struct {
	to mainstem.Backend

	mu      sync.Mutex
	next    []Fault
	storm   *rand.Rand
	odds    float64
	delayed []*mainstem.Transaction
	cut     chan struct{} // closed while cut off
	held    bool          // cut off until Heal
	outage  int           // calls that a storm still cuts off
	open    chan struct{} // closed while not paused
	flowing chan struct{} // closed while not stalled
	count   map[Fault]int
}

var _ mainstem.Backend = (*Flaky)(nil)

// NewFlaky puts a Flaky before b. Closing it closes b.
func NewFlaky(b mainstem.Backend) *Flaky {
	open := make(chan struct{})
	close(open)
	return &Flaky{to: b, open: open, flowing: open, cut: make(chan struct{}), count: map[Fault]int{}}
}

// Next does these faults to the next Commits, in this order, one each; before
// any that a storm would choose.
func (f *Flaky) Next(faults ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next = append(f.next, faults...)
}

// Pause makes every call wait until Resume, or until its context ends: it then
// was not sent, which the caller cannot know.
func (f *Flaky) Pause() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if closed(f.open) {
		f.open = make(chan struct{})
	}
}

// Resume ends Pause.
func (f *Flaky) Resume() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !closed(f.open) {
		close(f.open)
	}
}

// Cut fails every call, and every feed that runs, until Heal.
func (f *Flaky) Cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.held = true
	f.sever()
}

// Heal ends Cut, and what is left of a Break.
func (f *Flaky) Heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.held, f.outage = false, 0
	f.mend()
}

// sever cuts off. Under mu.
func (f *Flaky) sever() {
	if !closed(f.cut) {
		close(f.cut)
	}
}

// mend ends being cut off, unless there is a reason left. Under mu.
func (f *Flaky) mend() {
	if closed(f.cut) && !f.held && f.outage == 0 {
		f.cut = make(chan struct{})
	}
}

func closed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Count is how many calls have had the fault so far; those that found the
// network stalled or cut off by another are not counted.
func (f *Flaky) Count(fault Fault) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count[fault]
}

// Arrive runs every request that was delayed, oldest first, and returns what
// each was answered; nobody else is told.
func (f *Flaky) Arrive(ctx context.Context) []error {
	f.mu.Lock()
	late := f.delayed
	f.delayed = nil
	f.mu.Unlock()
	answers := make([]error, 0, len(late))
	for _, t := range late {
		_, err := f.to.Commit(ctx, t)
		answers = append(answers, err)
	}
	return answers
}

// Commit sends the transaction as the network happens to be.
func (f *Flaky) Commit(ctx context.Context, t *mainstem.Transaction) (*mainstem.Receipt, error) {
	sent := *t
	sent.Networked = true
	if err := f.pass(ctx, mainstem.Undecided); err != nil {
		return nil, err
	}
	fault, late := f.choose(true)
	if late != nil {
		_, _ = f.to.Commit(ctx, late) // its caller has long been told Undecided
	}
	switch fault {
	case LoseRequest, Break:
	case Delay:
		f.mu.Lock()
		f.delayed = append(f.delayed, &sent)
		f.mu.Unlock()
	case LoseReply:
		_, _ = f.to.Commit(ctx, &sent) // this is the reply that is lost
	case Repeat:
		receipt, err := f.to.Commit(ctx, &sent)
		again := sent
		_, _ = f.to.Commit(ctx, &again) // the client does not know of the copy
		return receipt, err
	case Stall:
		if err := f.pass(ctx, mainstem.Undecided); err != nil {
			return nil, err
		}
		return f.to.Commit(ctx, &sent)
	default:
		return f.to.Commit(ctx, &sent)
	}
	return nil, mainstem.Errorf(mainstem.Undecided, "flaky network: no answer to %s in group %q (%s)", t.ID, t.Group, fault)
}

// View asks for a view as the network happens to be.
func (f *Flaky) View(ctx context.Context, r mainstem.ViewRequest) (mainstem.Snapshot, error) {
	if err := f.pass(ctx, mainstem.Unavailable); err != nil {
		return nil, err
	}
	fault, late := f.choose(false)
	if late != nil {
		_, _ = f.to.Commit(ctx, late) // its caller has long been told Undecided
	}
	switch fault {
	case LoseReply, LoseRequest, Delay, Break:
		return nil, mainstem.Errorf(mainstem.Unavailable, "flaky network: no answer (%s)", fault)
	case Stall:
		if err := f.pass(ctx, mainstem.Unavailable); err != nil {
			return nil, err
		}
	case Deliver, Repeat: // nothing is changed by looking twice
	}
	return f.to.View(ctx, r)
}

// Changes passes the feed on until cut off.
func (f *Flaky) Changes(ctx context.Context, from mainstem.From) iter.Seq2[mainstem.Batch, error] {
	return func(yield func(mainstem.Batch, error) bool) {
		if err := f.pass(ctx, mainstem.Unavailable); err != nil {
			yield(mainstem.Batch{}, err)
			return
		}
		f.mu.Lock()
		cut := f.cut
		f.mu.Unlock()
		lost := mainstem.Errorf(mainstem.Unavailable, "flaky network: cut off during a feed; go on after the last batch's token")
		inner, stop := context.WithCancelCause(ctx)
		defer stop(nil)
		go func() {
			select {
			case <-cut:
				stop(lost)
			case <-inner.Done():
			}
		}()
		for batch, err := range f.to.Changes(inner, from) {
			if closed(cut) {
				break
			}
			if !yield(batch, err) {
				return
			}
		}
		if closed(cut) {
			yield(mainstem.Batch{}, lost)
		}
	}
}

// Close closes the Backend behind.
func (f *Flaky) Close() error { return f.to.Close() }
