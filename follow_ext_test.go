package mainstem_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
)

// follow runs a follower until stop is called, which waits for its end.
func follow(t *testing.T, db *mainstem.DB, name string, fn mainstem.FollowFunc, opts ...mainstem.FollowOption) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(within(t))
	ended := make(chan error, 1)
	go func() { ended <- db.Follow(ctx, name, mainstem.Match{}, fn, opts...) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("follower %q ended with %v", name, err)
		}
	})
}

// until waits, looking again after every change of the database.
func until(t *testing.T, db *mainstem.DB, what string, holds func() bool) {
	t.Helper()
	if holds() {
		return
	}
	for _, err := range db.Changes(within(t), mainstem.From{}) {
		if err != nil {
			t.Fatalf("waiting until %s: %v", what, err)
		}
		if holds() {
			return
		}
	}
	t.Fatalf("in vain: waiting until %s", what)
}

// count copies what it is given into counters of the shard's own group.
func count(_ context.Context, tx *mainstem.Txn, batch []mainstem.Change) error {
	for _, c := range batch {
		tx.Add("changes of "+c.Group, 1)
	}
	return nil
}

// counted is how many changes of a group the follower has counted.
func counted(t *testing.T, db *mainstem.DB, follower, group string) int64 {
	t.Helper()
	v, err := db.Get(t.Context(), mainstem.FollowGroup(follower, group), "changes of "+group, mainstem.Latest())
	must(t, err)
	return v.Value.Int
}

func group(i int) string { return fmt.Sprintf("g%02d", i) }

// feed writes n changes to each of some groups.
func feed(t *testing.T, db *mainstem.DB, groups, n int) {
	t.Helper()
	for range n {
		for i := range groups {
			do(t, db.Group(group(i)), "", func(tx *mainstem.Txn) error { tx.Add("n", 1); return nil })
		}
	}
}

func allCounted(t *testing.T, db *mainstem.DB, follower string, groups int, n int64) func() bool {
	return func() bool {
		for i := range groups {
			if counted(t, db, follower, group(i)) < n {
				return false
			}
		}
		return true
	}
}

// Stopped and started again, by several instances at once, a follower counts
// every change once: cursor and effect commit together (L9).
func TestFollowCountsOnce(t *testing.T) {
	for _, partitions := range []int{1, 3} {
		t.Run(fmt.Sprint(partitions), func(t *testing.T) {
			db := open(t, embedded.Partitions(partitions))
			const groups, rounds, each = 20, 4, 5
			for r := range int64(rounds) {
				stops := []func(){
					follow(t, db, "counter", count, mainstem.BatchOf(3), mainstem.HandOver(200*time.Millisecond)),
					follow(t, db, "counter", count, mainstem.BatchOf(2), mainstem.HandOver(200*time.Millisecond)),
				}
				feed(t, db, groups, each)
				if r%2 == 1 { // every other time it is stopped in the middle
					until(t, db, "all is counted", allCounted(t, db, "counter", groups, (r+1)*each))
				}
				for _, stop := range stops {
					stop()
				}
			}
			for i := range groups {
				if got := counted(t, db, "counter", group(i)); got != rounds*each {
					t.Errorf("%s has %d changes, and %d are counted", group(i), rounds*each, got)
				}
			}
		})
	}
}

// Within a partition the order is the log's; Mainstem's own groups are not shown.
func TestFollowOrder(t *testing.T) {
	db := open(t)
	var mu sync.Mutex
	seen := map[string][]mainstem.Position{}
	stop := follow(t, db, "watcher", func(ctx context.Context, tx *mainstem.Txn, batch []mainstem.Change) error {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range batch {
			if strings.HasPrefix(c.Group, "~") {
				t.Errorf("a change of %s is delivered", c.Group)
			}
			if got := mainstem.FollowGroup("watcher", c.Group); got != tx.Group().Name() {
				t.Errorf("a change of %s is handled in %s, FollowGroup says %s", c.Group, tx.Group().Name(), got)
			}
			seen[c.Group] = append(seen[c.Group], c.Position)
		}
		return count(ctx, tx, batch)
	})
	feed(t, db, 5, 20)
	until(t, db, "all is seen", allCounted(t, db, "watcher", 5, 20))
	stop()
	for g, positions := range seen {
		if !slices.IsSorted(positions) || len(slices.Compact(positions)) != 20 {
			t.Errorf("%s is seen at %v", g, positions)
		}
	}
}

// gathering yields as many changes in a batch as it may, as a busy database
// does whose records hold many transactions.
type gathering struct{ mainstem.Backend }

func (g gathering) Changes(ctx context.Context, from mainstem.From) iter.Seq2[mainstem.Batch, error] {
	if !from.Drain {
		return g.Backend.Changes(ctx, from)
	}
	most := from.Max
	from.Max = 1
	return func(yield func(mainstem.Batch, error) bool) {
		var all mainstem.Batch
		for b, err := range g.Backend.Changes(ctx, from) {
			if err != nil {
				yield(b, err)
				return
			}
			b.Changes = append(all.Changes, b.Changes...)
			if all = b; len(b.Changes) < most {
				continue
			}
			if !yield(b, nil) {
				return
			}
			all = mainstem.Batch{}
		}
		if len(all.Changes) > 0 {
			yield(all, nil)
		}
	}
}

// One that cannot be handled is parked and passed over; the others are not
// held up, and it can be tried again, once.
func TestFollowParksPoison(t *testing.T) {
	db := open(t)
	feed(t, db, 1, 2)
	r := do(t, db.Group(group(0)), "", func(tx *mainstem.Txn) error { tx.Put("poison", nil); return nil })
	feed(t, db, 1, 3)
	broken := errors.New("cannot stomach this")
	whole := 0 // deliveries of all six
	stop := follow(t, mainstem.New(gathering{db.Backend()}), "eater", func(ctx context.Context, tx *mainstem.Txn, batch []mainstem.Change) error {
		if len(batch) == 6 {
			whole++
		}
		for _, c := range batch {
			if c.Effects[0].Name == "poison" {
				return broken
			}
		}
		return count(ctx, tx, batch)
	}, mainstem.Redeliver(2))
	until(t, db, "the others are counted", allCounted(t, db, "eater", 1, 5))
	stop()
	if whole != 2 {
		t.Errorf("all six were delivered together %d times, must be 2", whole)
	}
	parked := listParked(t, db, "eater")
	if len(parked) != 1 {
		t.Fatalf("%d changes are parked: %+v", len(parked), parked)
	}
	p := parked[0]
	if p.Position != r.Position || p.Group != group(0) || p.Deliveries != 2 || p.Error != broken.Error() || p.Incarnation != r.Incarnation {
		t.Errorf("parked is %+v", p)
	}
	if err := db.Unpark(t.Context(), p, func(context.Context, *mainstem.Txn, []mainstem.Change) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("tried again in vain: %v", err)
	}
	must(t, db.Unpark(t.Context(), p, count))
	code(t, db.Unpark(t.Context(), p, count), mainstem.Conflict)
	if got := counted(t, db, "eater", group(0)); got != 6 {
		t.Errorf("%d changes are counted, must be 6", got)
	}
	if parked := listParked(t, db, "eater"); len(parked) != 0 {
		t.Errorf("still parked: %+v", parked)
	}
}

func listParked(t *testing.T, db *mainstem.DB, follower string) (all []mainstem.Parked) {
	t.Helper()
	for p, err := range db.Parked(t.Context(), follower) {
		must(t, err)
		all = append(all, p)
	}
	return all
}

// What a function asks for can be wrong as well: that is its fault, and parked.
func TestFollowParksWhatCannotCommit(t *testing.T) {
	for name, c := range map[string]struct {
		fn   mainstem.FollowFunc
		want mainstem.Code
	}{
		"floor": {func(_ context.Context, tx *mainstem.Txn, _ []mainstem.Change) error {
			tx.Add("n", -1, mainstem.Floor(0))
			return nil
		}, mainstem.OutOfRange},
		"required": {func(_ context.Context, tx *mainstem.Txn, _ []mainstem.Change) error {
			tx.Require(mainstem.KeyEquals{Name: "x"})
			return nil
		}, mainstem.Conflict},
		"refused":  {func(_ context.Context, tx *mainstem.Txn, _ []mainstem.Change) error { return tx.Refuse(nil) }, mainstem.Invalid},
		"reserved": {func(_ context.Context, tx *mainstem.Txn, _ []mainstem.Change) error { tx.Delete("~cursor"); return nil }, mainstem.Invalid},
		"large": {func(_ context.Context, tx *mainstem.Txn, _ []mainstem.Change) error {
			tx.Put("x", make([]byte, mainstem.LimitValue+1))
			return nil
		}, mainstem.TooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			db := open(t)
			feed(t, db, 1, 1)
			stop := follow(t, db, "f", c.fn, mainstem.Redeliver(1))
			until(t, db, "it is parked", func() bool { return len(listParked(t, db, "f")) > 0 })
			stop()
			if p := listParked(t, db, "f"); len(p) != 1 || !strings.HasPrefix(p[0].Error, c.want.String()) {
				t.Errorf("parked is %+v, must be %v", p, c.want)
			}
		})
	}
}
