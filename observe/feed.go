package observe

import (
	"context"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mainstemdb/mainstem"
)

// Changes passes it on.
func (b backend) Changes(ctx context.Context, from mainstem.From) iter.Seq2[mainstem.Batch, error] {
	return func(yield func(mainstem.Batch, error) bool) {
		of := b.o.followers.of(mainstem.FollowerOf(ctx))
		f := of.open()
		defer of.close(f)
		for batch, err := range b.Backend.Changes(ctx, from) {
			if err != nil {
				b.o.endings.count(err)
			} else {
				if 0 <= batch.Partition && batch.Partition < len(b.o.heads) {
					b.o.heads[batch.Partition].raise(batch.Head)
				}
				of.changes.Add(uint64(len(batch.Changes)))
			}
			f.give(batch)
			more := yield(batch, err)
			f.took()
			if !more {
				return
			}
		}
	}
}

// feed is an open feed. While its reader has a batch in hand, the reader is behind
// by what has come since; while it waits for the next, by nothing.
type feed struct {
	mu        sync.Mutex
	inHand    bool
	partition int
	before    mainstem.Position // of the first change in hand
	since     time.Time         // when that was written, by the wall clock
}

func (f *feed) give(b mainstem.Batch) {
	if len(b.Changes) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.inHand, f.partition = true, b.Partition
	f.before, f.since = b.Changes[0].Position-1, b.Changes[0].Wall
}

func (f *feed) took() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.inHand = false
}

// behind is by how many positions, and for how long, a feed's reader is behind.
func (f *feed) behind(heads []highest, now time.Time) (positions mainstem.Position, age time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.inHand {
		return 0, 0
	}
	if f.partition < len(heads) {
		if head := heads[f.partition].get(); head > f.before {
			positions = head - f.before
		}
	}
	return positions, max(0, now.Sub(f.since))
}

// endings count feeds that ended with an error, by its code.
type endings struct{ by []atomic.Uint64 }

func (e *endings) init() { e.by = make([]atomic.Uint64, outcomes) }

func (e *endings) count(err error) { e.by[outcomeOf(err)].Add(1) }
