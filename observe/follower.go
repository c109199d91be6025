package observe

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/tally"
)

// LimitFollowers is how many followers are told apart; those that come later are
// counted together, under the name "~more". Readers of the feed that are no
// followers are counted together too, without a name.
const LimitFollowers = 128

const moreFollowers = "~more"

// followers are all that have worked in this process.
type followers struct {
	mu sync.Mutex
	by map[string]*follower
}

func (f *followers) init() { f.by = map[string]*follower{"": newFollower("")} }

// of is what is counted of a follower.
func (f *followers) of(name string) *follower {
	f.mu.Lock()
	defer f.mu.Unlock()
	one := f.by[name]
	if one == nil && len(f.by) > LimitFollowers { // one of them has no name
		name = moreFollowers
		one = f.by[name]
	}
	if one == nil {
		name = strings.Clone(name)
		one = newFollower(name)
		f.by[name] = one
	}
	return one
}

// all are in the order of their names.
func (f *followers) all() []*follower {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]*follower, 0, len(f.by))
	for _, one := range f.by {
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b *follower) int { return strings.Compare(a.name, b.name) })
	return all
}

// Followers are the names of those that have read or worked here, in order, at
// most LimitFollowers.
func (o *Observer) Followers() (names []string) {
	for _, f := range o.followers.all() {
		if f.name != "" && f.name != moreFollowers {
			names = append(names, f.name)
		}
	}
	return names
}

// What became of a delivery.
const (
	deliveryTaken  = iota
	deliveryAgain  // nobody's fault: the same is given again, here or elsewhere
	deliveryFailed // the function failed, or what it asked for could not be
	deliveryOutcomes
)

var deliveryNames = [deliveryOutcomes]string{"taken", "again", "failed"}

// follower is what is counted of the feeds and deliveries of one name.
type follower struct {
	name        string
	changes     atomic.Uint64
	deliveries  [deliveryOutcomes]atomic.Uint64
	took, delay tally.Histogram // nanoseconds

	mu    sync.Mutex
	feeds map[*feed]struct{}
}

func newFollower(name string) *follower {
	return &follower{name: name, feeds: map[*feed]struct{}{}}
}

func (f *follower) open() *feed {
	one := &feed{}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.feeds[one] = struct{}{}
	return one
}

func (f *follower) close(one *feed) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.feeds, one)
}

// behind is how many feeds are open, and how far the last of them is behind.
func (f *follower) behind(heads []highest, now time.Time) (open int, positions mainstem.Position, age time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for one := range f.feeds {
		p, a := one.behind(heads, now)
		positions, age = max(positions, p), max(age, a)
	}
	return len(f.feeds), positions, age
}
