package observe

import (
	"slices"
	"strconv"
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
	left  map[int]*feed // by shard: has ended here, and its reader is not done with it
}

// leftFor is how long after its end a feed counts that its reader is not done with:
// the reader may have gone on elsewhere.
const leftFor = 10 * time.Minute

func newFollower(name string) *follower {
	return &follower{name: name, feeds: map[*feed]struct{}{}, left: map[int]*feed{}}
}

// open makes a feed, of one shard where it is a follower's.
func (f *follower) open(shard int) *feed {
	one := &feed{follower: f.name != "" && f.name != moreFollowers, shard: shard}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.feeds[one] = struct{}{}
	delete(f.left, shard) // what it had left is given again
	return one
}

func (f *follower) close(one *feed) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.feeds, one)
	if one.follower {
		one.ended = time.Now()
		f.left[one.shard] = one
	}
}

// passed notes where the cursor of a shard is.
func (f *follower) passed(shard int, cursor mainstem.Token) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for one := range f.feeds {
		if one.shard == shard {
			one.passed(cursor)
		}
	}
	if one := f.left[shard]; one != nil {
		one.passed(cursor)
	}
}

// cursor notes where a follower is, if that is what a transaction says that
// committed: wherever the follower runs, its cursor is moved here.
func (f *followers) cursor(t *mainstem.Transaction) {
	place, ok := strings.CutPrefix(t.Group, "~follow/")
	if !ok {
		return
	}
	name, number, _ := strings.Cut(place, "/")
	f.mu.Lock()
	one := f.by[name]
	f.mu.Unlock()
	shard, err := strconv.Atoi(number)
	if one == nil || err != nil {
		return
	}
	for _, o := range t.Operations {
		put, ok := o.(mainstem.Put)
		if !ok || put.Name != "~cursor" {
			continue
		}
		if cursor, err := mainstem.ParseToken(string(put.Value.Bytes)); err == nil {
			one.passed(shard, cursor)
		}
	}
}

// behind is how many feeds are open, and how far the last of them is behind.
func (f *follower) behind(heads []highest, now time.Time) (open int, positions mainstem.Position, age time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for one := range f.feeds {
		p, a := one.behind(heads, now)
		positions, age = max(positions, p), max(age, a)
	}
	for shard, one := range f.left {
		if now.Sub(one.ended) > leftFor {
			delete(f.left, shard)
			continue
		}
		p, a := one.behind(heads, now)
		positions, age = max(positions, p), max(age, a)
	}
	return len(f.feeds), positions, age
}
