package observe

import (
	"context"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mainstemdb/mainstem"
)

// Changes passes it on.
func (b backend) Changes(ctx context.Context, from mainstem.From) iter.Seq2[mainstem.Batch, error] {
	return func(yield func(mainstem.Batch, error) bool) {
		of := b.o.followers.of(mainstem.FollowerOf(ctx))
		f := of.open(int(from.Match.FirstSlot) / (mainstem.Slots / mainstem.FollowShards))
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

// feed is an open feed. Its reader is behind by what has come since the first change
// that it was given and is not done with. A follower is done with a change when its
// cursor has passed it: what it was given over a network can lie in buffers for long.
// Other readers are when they ask for more.
type feed struct {
	follower bool
	shard    int
	ended    time.Time // under the follower's mu
	mu       sync.Mutex
	open     []given // in order
}

// given are changes that a reader is not done with.
type given struct {
	partition    int
	before, last mainstem.Position
	since        time.Time // when the first was written, by the wall clock
}

// mostGiven bounds what is kept of a feed; beyond, the newest are told apart no more.
const mostGiven = 4096

// give notes a batch. What is Mainstem's own is passed over by followers.
func (f *feed) give(b mainstem.Batch) {
	first, last := -1, -1
	for i := range b.Changes {
		if mainstemsOwn(b.Changes[i].Group) && f.follower {
			continue
		}
		if last = i; first < 0 {
			first = i
		}
	}
	if first < 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.open) >= mostGiven {
		for i, g := range slices.Backward(f.open) {
			if g.partition == b.Partition {
				f.open[i].last = b.Changes[last].Position
				return
			}
		}
	}
	f.open = append(f.open, given{b.Partition, b.Changes[first].Position - 1, b.Changes[last].Position, b.Changes[first].Wall})
}

func (f *feed) took() {
	if f.follower {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open = nil
}

// passed notes how far a follower's cursor is.
func (f *feed) passed(cursor mainstem.Token) {
	marks := cursor.Marks()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open = slices.DeleteFunc(f.open, func(g given) bool {
		return slices.ContainsFunc(marks, func(m mainstem.Mark) bool { return m.Partition == g.partition && m.Position >= g.last })
	})
}

// behind is by how many positions, and for how long, a feed's reader is behind.
func (f *feed) behind(heads []highest, now time.Time) (positions mainstem.Position, age time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, g := range f.open {
		if g.partition < len(heads) {
			if head := heads[g.partition].get(); head > g.before {
				positions = max(positions, head-g.before)
			}
		}
		age = max(age, now.Sub(g.since))
	}
	return positions, age
}

// endings count feeds that ended with an error, by its code.
type endings struct{ by []atomic.Uint64 }

func (e *endings) init() { e.by = make([]atomic.Uint64, outcomes) }

func (e *endings) count(err error) { e.by[outcomeOf(err)].Add(1) }
