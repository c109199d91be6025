package mainstemtest

import (
	"context"
	"iter"
	"math/rand/v2"
	"slices"
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
)

var faultNames = [...]string{"deliver", "lose reply", "lose request", "delay", "repeat"}

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
// can be delayed and repeated (L11). Faults come on command, by Next, or from a
// seed, by Storm; without either it only passes on.
type Flaky struct {
	to mainstem.Backend

	mu      sync.Mutex
	next    []Fault
	storm   *rand.Rand
	odds    float64
	delayed []*mainstem.Transaction
	cut     chan struct{} // closed while cut off
	open    chan struct{} // closed while not paused
	count   map[Fault]int
}

var _ mainstem.Backend = (*Flaky)(nil)

// NewFlaky puts a Flaky before b. Closing it closes b.
func NewFlaky(b mainstem.Backend) *Flaky {
	open := make(chan struct{})
	close(open)
	return &Flaky{to: b, open: open, cut: make(chan struct{}), count: map[Fault]int{}}
}

// Next does these faults to the next Commits, in this order, one each; before
// any that a storm would choose.
func (f *Flaky) Next(faults ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next = append(f.next, faults...)
}

// Storm does a fault to each Commit and View with the given probability, 0 to
// 1, chosen by the seed; delayed requests arrive at moments that it chooses
// too. From one goroutine, one seed gives one storm. Probability 0 is calm
// again, with the delayed requests still under way.
func (f *Flaky) Storm(seed uint64, probability float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.storm, f.odds = rand.New(rand.NewPCG(seed, 0x666c616b79)), probability
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
	if !closed(f.cut) {
		close(f.cut)
	}
}

// Heal ends Cut.
func (f *Flaky) Heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if closed(f.cut) {
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

// Count is how many calls have had the fault so far.
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

// choose is the fault of a call, and the delayed request that arrives before it.
func (f *Flaky) choose(commit bool) (fault Fault, late *mainstem.Transaction) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case commit && len(f.next) > 0:
		fault, f.next = f.next[0], f.next[1:]
	case f.odds > 0 && f.storm.Float64() < f.odds:
		fault = Fault(1 + f.storm.IntN(len(faultNames)-1))
	}
	if f.odds > 0 && len(f.delayed) > 0 && f.storm.IntN(4) == 0 {
		i := f.storm.IntN(len(f.delayed))
		late, f.delayed = f.delayed[i], slices.Delete(f.delayed, i, i+1)
	}
	f.count[fault]++
	return fault, late
}

// pass waits while paused, and fails while cut off.
func (f *Flaky) pass(ctx context.Context, code mainstem.Code) error {
	f.mu.Lock()
	open, cut := f.open, f.cut
	f.mu.Unlock()
	select {
	case <-open:
	case <-ctx.Done():
		return mainstem.Errorf(code, "flaky network: no answer while paused: %w", context.Cause(ctx))
	}
	if closed(cut) {
		return mainstem.Errorf(code, "flaky network: cut off")
	}
	return nil
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
	case LoseRequest:
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
	if fault == LoseReply || fault == LoseRequest || fault == Delay {
		return nil, mainstem.Errorf(mainstem.Unavailable, "flaky network: no answer (%s)", fault)
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
