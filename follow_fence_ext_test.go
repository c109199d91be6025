package mainstem_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
)

// An error that passes is nobody's fault: nothing is parked however often it comes.
func TestFollowWaitsOutWhatPasses(t *testing.T) {
	db := open(t)
	feed(t, db, 1, 1)
	var tries atomic.Int32
	stop := follow(t, db, "f", func(ctx context.Context, tx *mainstem.Txn, batch []mainstem.Change) error {
		if tries.Add(1) < 4 {
			return mainstem.Errorf(mainstem.Unavailable, "the mail server is down")
		}
		return count(ctx, tx, batch)
	}, mainstem.Redeliver(1))
	until(t, db, "it is counted", allCounted(t, db, "f", 1, 1))
	stop()
	if p := listParked(t, db, "f"); len(p) != 0 || tries.Load() != 4 {
		t.Errorf("%d tries, parked %+v", tries.Load(), p)
	}
}

// deaf does not hear that a context has ended, and can be unplugged: a process
// that is paused in the middle of what it does.
type deaf struct {
	mainstem.Backend
	unplugged atomic.Bool
	late      chan error // the outcome of the first commit that counts something
}

func (d *deaf) Commit(ctx context.Context, t *mainstem.Transaction) (*mainstem.Receipt, error) {
	if d.unplugged.Load() {
		<-ctx.Done()
		return nil, mainstem.Errorf(mainstem.Unavailable, "unplugged")
	}
	r, err := d.Backend.Commit(context.WithoutCancel(ctx), t)
	if slices.ContainsFunc(t.Operations, func(o mainstem.Operation) bool { _, ok := o.(mainstem.Add); return ok }) {
		select {
		case d.late <- err:
		default:
		}
	}
	return r, err
}

// An instance that was replaced while it worked commits nothing, even if it has
// not noticed (L7).
func TestFollowFencesTheReplaced(t *testing.T) {
	db := open(t)
	feed(t, db, 1, 1)
	paused := &deaf{Backend: db.Backend(), late: make(chan error, 1)}
	inside, resume := make(chan struct{}), make(chan struct{})
	once := sync.OnceFunc(func() { close(inside) })
	stopOld := follow(t, mainstem.New(paused), "f", func(ctx context.Context, tx *mainstem.Txn, batch []mainstem.Change) error {
		paused.unplugged.Store(true)
		once()
		<-resume
		paused.unplugged.Store(false)
		return count(ctx, tx, batch)
	}, mainstem.HandOver(200*time.Millisecond))
	<-inside
	stopNew := follow(t, db, "f", count, mainstem.HandOver(200*time.Millisecond))
	until(t, db, "the new one has counted", allCounted(t, db, "f", 1, 1))
	stopNew()
	close(resume)
	code(t, <-paused.late, mainstem.Fenced)
	stopOld()
	if got := counted(t, db, "f", group(0)); got != 1 {
		t.Errorf("%d changes are counted, must be 1", got)
	}
}

// Two instances share the shards; when one leaves, the other has them all.
func TestFollowSpreads(t *testing.T) {
	db := open(t)
	owners := func() (all []string) {
		for shard := range mainstem.FollowShards {
			v, err := db.Group(fmt.Sprintf("~follow/f/%02d", shard)).View(t.Context(), mainstem.Latest())
			must(t, err)
			l, err := v.Lease(t.Context(), "~shard")
			must(t, err)
			must(t, v.Close())
			if l.Token == 0 || l.Released {
				l.Owner = ""
			}
			all = append(all, l.Owner)
		}
		return all
	}
	// Shards fall to instances in turn: with n of them, every nth has one owner.
	shares := func(n int) func() bool {
		return func() bool {
			all := owners()
			for i, owner := range all {
				if owner == "" || (owner == all[0]) != (i%n == 0) || owner != all[i%n] {
					return false
				}
			}
			return true
		}
	}
	one := follow(t, db, "f", count, mainstem.HandOver(300*time.Millisecond))
	until(t, db, "one has all", shares(1))
	two := follow(t, db, "f", count, mainstem.HandOver(300*time.Millisecond))
	until(t, db, "each has eight", shares(2))
	one()
	until(t, db, "the other has all", shares(1))
	two()
	three := follow(t, db, "f", count) // a hand-over time in which even a slow machine gives everything back
	until(t, db, "the third has all", shares(1))
	three()
	if got := strings.Join(owners(), ""); got != "" {
		t.Errorf("after the end leases are held: %v", got)
	}
}

func TestFollowStartAndSeek(t *testing.T) {
	db := open(t)
	feed(t, db, 1, 3)
	after := do(t, db.Group(group(0)), "", func(tx *mainstem.Txn) error { tx.Add("n", 1); return nil })
	feed(t, db, 1, 2)
	stop := follow(t, db, "f", count, mainstem.StartAfter(after.Token))
	until(t, db, "the later two are counted", allCounted(t, db, "f", 1, 2))
	stop()
	if got := counted(t, db, "f", group(0)); got != 2 {
		t.Errorf("%d changes are counted, must be 2", got)
	}
	// The cursor counts, not where a new one would begin.
	stop = follow(t, db, "f", count, mainstem.HandOver(300*time.Millisecond))
	must(t, db.Seek(t.Context(), "f", after.Token))
	until(t, db, "they are counted again", allCounted(t, db, "f", 1, 4))
	must(t, db.Seek(t.Context(), "f", mainstem.Token{}))
	until(t, db, "all are counted", allCounted(t, db, "f", 1, 10))
	stop()
	if got := counted(t, db, "f", group(0)); got != 10 {
		t.Errorf("%d changes are counted, must be 10", got)
	}
}

func TestFollowRefuses(t *testing.T) {
	db := open(t)
	for name, c := range map[string]struct {
		follower string
		match    mainstem.Match
		opt      mainstem.FollowOption
		want     mainstem.Code
	}{
		"no name":   {"", mainstem.Match{}, mainstem.BatchOf(1), mainstem.Invalid},
		"slash":     {"a/b", mainstem.Match{}, mainstem.BatchOf(1), mainstem.Invalid},
		"long name": {text(mainstem.LimitFollower + 1), mainstem.Match{}, mainstem.BatchOf(1), mainstem.TooLarge},
		"match":     {"f", mainstem.Match{FirstSlot: 2, EndSlot: 1}, mainstem.BatchOf(1), mainstem.Invalid},
		"batch":     {"f", mainstem.Match{}, mainstem.BatchOf(0), mainstem.Invalid},
		"redeliver": {"f", mainstem.Match{}, mainstem.Redeliver(0), mainstem.Invalid},
		"hand over": {"f", mainstem.Match{}, mainstem.HandOver(time.Millisecond), mainstem.Invalid},
	} {
		err := db.Follow(within(t), c.follower, c.match, count, c.opt)
		if mainstem.CodeOf(err) != c.want {
			t.Errorf("%s: %v, must be %v", name, err, c.want)
		}
	}
	longest := strings.Repeat("f", mainstem.LimitFollower)
	feed(t, db, 1, 1)
	stop := follow(t, db, longest, count)
	until(t, db, "it is counted", allCounted(t, db, longest, 1, 1))
	stop()
}

// A database that is closed ends its followers.
func TestFollowEndsWithTheDatabase(t *testing.T) {
	db := openIn(t, t.TempDir())
	feed(t, db.DB, 1, 1)
	ended := make(chan error, 1)
	go func() { ended <- db.Follow(within(t), "f", mainstem.Match{}, count) }()
	until(t, db.DB, "it is counted", allCounted(t, db.DB, "f", 1, 1))
	must(t, db.Close())
	code(t, <-ended, mainstem.Stopped)
}

// forgetful has trimmed its feed below a position, and all of its history.
type forgetful struct {
	mainstem.Backend
	below mainstem.Position
}

func (f forgetful) Changes(ctx context.Context, from mainstem.From) iter.Seq2[mainstem.Batch, error] {
	if !slices.ContainsFunc(from.After.Marks(), func(m mainstem.Mark) bool { return m.Position < f.below }) {
		return f.Backend.Changes(ctx, from)
	}
	return func(yield func(mainstem.Batch, error) bool) {
		yield(mainstem.Batch{}, mainstem.Errorf(mainstem.Trimmed, "gone"))
	}
}

func (f forgetful) View(ctx context.Context, r mainstem.ViewRequest) (mainstem.Snapshot, error) {
	if r.At.Level == mainstem.LevelAsOf {
		return nil, mainstem.Errorf(mainstem.Trimmed, "gone")
	}
	return f.Backend.View(ctx, r)
}

// A follower whose changes are gone says so, and what to do; it helps.
func TestFollowTrimmed(t *testing.T) {
	db := open(t)
	feed(t, db, 1, 1)
	stop := follow(t, db, "f", count)
	until(t, db, "it is counted", allCounted(t, db, "f", 1, 1))
	stop()
	feed(t, db, 1, 1)
	old := mainstem.New(forgetful{db.Backend(), view(t, db.Group(group(0))).Stamp().Position})
	err := old.Follow(within(t), "f", mainstem.Match{}, count)
	code(t, err, mainstem.Trimmed)
	if err == nil || !strings.HasSuffix(err.Error(), "DB.Seek") {
		t.Errorf("%v does not say what to do", err)
	}
	must(t, old.Seek(t.Context(), "f", mainstem.Token{}))
	stop = follow(t, old, "f", count)
	until(t, db, "it goes on", allCounted(t, db, "f", 1, 3))
	stop()
}

// A cursor moves on with the log although nothing matches, so that retention
// does not catch up with a quiet follower.
func TestFollowMovesOverOthers(t *testing.T) {
	db := open(t, embedded.Partitions(2))
	feed(t, db, 1, 1)
	stop := follow(t, db, "f", count, mainstem.HandOver(100*time.Millisecond))
	until(t, db, "it is counted", allCounted(t, db, "f", 1, 1))
	var seen mainstem.Token
	for i := range 8 {
		seen = seen.Merge(do(t, db.Group("other"+group(i)), "", func(tx *mainstem.Txn) error { tx.Set("n", 1); return nil }).Token)
	}
	for shard := range mainstem.FollowShards {
		until(t, db, "the cursor has seen the others", func() bool {
			v, err := db.Get(t.Context(), fmt.Sprintf("~follow/f/%02d", shard), "~cursor", mainstem.Latest())
			must(t, err)
			cursor, err := mainstem.ParseToken(v.Value.String())
			must(t, err)
			return cursor.Merge(seen) == cursor
		})
	}
	stop()
	if got := counted(t, db, "f", group(0)); got != 1 {
		t.Errorf("%d changes are counted, must be 1", got)
	}
}
