package mainstemtest

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/mainstemdb/mainstem"
)

// The most that one fault of a storm does.
const (
	limitStall = 2 * time.Millisecond
	limitBreak = 8 // calls
)

// Storm does a fault to each Commit and View with the given probability, 0 to
// 1, chosen by the seed: which of all faults, how long a Stall is, how many
// calls a Break cuts off, and when delayed requests arrive. From one
// goroutine, one seed gives one storm. Probability 0 is calm again, with the
// delayed requests still under way.
func (f *Flaky) Storm(seed uint64, probability float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.storm, f.odds = rand.New(rand.NewPCG(seed, 0x666c616b79)), probability
	f.outage = 0
	f.mend()
}

// choose is the fault of a call, and the delayed request that arrives before it.
// What a fault does to the whole network begins here.
func (f *Flaky) choose(commit bool) (fault Fault, late *mainstem.Transaction) {
	f.mu.Lock()
	defer f.mu.Unlock()
	stall, outage := limitStall, 1 // on command
	switch {
	case commit && len(f.next) > 0:
		fault, f.next = f.next[0], f.next[1:]
	case f.odds > 0 && f.storm.Float64() < f.odds:
		fault = Fault(1 + f.storm.IntN(len(faultNames)-1))
		stall, outage = time.Duration(1+f.storm.Int64N(int64(limitStall))), 1+f.storm.IntN(limitBreak)
	}
	if f.odds > 0 && len(f.delayed) > 0 && f.storm.IntN(4) == 0 {
		i := f.storm.IntN(len(f.delayed))
		late, f.delayed = f.delayed[i], slices.Delete(f.delayed, i, i+1)
	}
	switch fault {
	case Stall:
		f.stall(stall)
	case Break:
		f.sever()
		f.outage = max(f.outage, outage-1) // this call is the first
		f.mend()
	default: // the others concern one call
	}
	f.count[fault]++
	return fault, late
}

// stall holds every call back for a moment. Under mu.
func (f *Flaky) stall(d time.Duration) {
	if closed(f.flowing) {
		flowing := make(chan struct{})
		f.flowing = flowing
		time.AfterFunc(d, func() { close(flowing) })
	}
}

// pass waits while paused or stalled, and fails while cut off.
func (f *Flaky) pass(ctx context.Context, code mainstem.Code) error {
	f.mu.Lock()
	gates := [...]chan struct{}{f.open, f.flowing}
	f.mu.Unlock()
	for _, open := range gates {
		select {
		case <-open:
		case <-ctx.Done():
			return mainstem.Errorf(code, "flaky network: no answer while paused: %w", context.Cause(ctx))
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !closed(f.cut) {
		return nil
	}
	f.outage = max(0, f.outage-1)
	f.mend()
	return mainstem.Errorf(code, "flaky network: cut off")
}
