package mainstem_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
)

// subscriber runs Deliver and keeps what it was handed.
type subscriber struct {
	t     *testing.T
	ended chan error
	stop  func()
	mu    sync.Mutex
	news  *sync.Cond
	all   []mainstem.Delivery
}

func subscribe(t *testing.T, db *mainstem.DB, to mainstem.Subscription) *subscriber {
	t.Helper()
	s := &subscriber{t: t, ended: make(chan error, 1)}
	s.news = sync.NewCond(&s.mu)
	ctx, cancel := context.WithCancel(t.Context()) // not within: its time can be virtual
	go func() {
		err := db.Deliver(ctx, to, func(_ context.Context, d mainstem.Delivery) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.all = append(s.all, d)
			s.news.Broadcast()
			return nil
		})
		s.ended <- err
	}()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-s.ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Deliver ended with %v", err)
		}
	})
	t.Cleanup(s.stop)
	return s
}

// first waits until so many deliveries have come.
func (s *subscriber) first(n int) []mainstem.Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.all) < n {
		s.news.Wait()
	}
	return slices.Clone(s.all)
}

// positions are those of the changes of some deliveries.
func positions(all []mainstem.Delivery) (p []mainstem.Position) {
	for _, d := range all {
		for _, c := range d.Changes {
			p = append(p, c.Position)
		}
	}
	return p
}

func cursorOf(t *testing.T, db *mainstem.DB, follower string, shard int) string {
	t.Helper()
	v, err := db.Get(within(t), fmt.Sprintf("~follow/%s/%02d", follower, shard), "~cursor", mainstem.Latest())
	must(t, err)
	return v.Value.String()
}

// What was acknowledged does not come again, and everything else does, in order: also for
// a follower in Go that takes over, and back.
func TestDeliverResumesAfterWhatWasAcknowledged(t *testing.T) {
	db := open(t)
	to := mainstem.Subscription{Follower: "f", Max: 2, HandOver: 300 * time.Millisecond}
	feed(t, db, 1, 8)
	one := subscribe(t, db, to)
	all := one.first(4)
	want := positions(all)
	if len(want) != 8 || !slices.IsSorted(want) || all[1].Head < want[7] {
		t.Fatalf("handed out: %v, head %s", want, all[1].Head)
	}
	must(t, db.Acknowledge(t.Context(), all[0].Acknowledgement))
	must(t, db.Acknowledge(t.Context(), all[1].Acknowledgement))
	must(t, db.Acknowledge(t.Context(), all[0].Acknowledgement)) // late, and again
	one.stop()
	two := subscribe(t, db, to)
	again := two.first(2)
	if got := positions(again); !slices.Equal(got, want[4:]) {
		t.Errorf("after two of four were acknowledged, %v is handed out, not %v", got, want[4:])
	}
	code(t, db.Acknowledge(t.Context(), all[3].Acknowledgement), mainstem.Fenced)
	must(t, db.Acknowledge(t.Context(), again[0].Acknowledgement))
	two.stop()
	stop := follow(t, db, "f", count, mainstem.HandOver(300*time.Millisecond))
	until(t, db, "the rest is counted", allCounted(t, db, "f", 1, 2))
	stop()
	feed(t, db, 1, 1)
	three := subscribe(t, db, to)
	if got := positions(three.first(1)); len(got) != 1 || got[0] <= want[7] {
		t.Errorf("after a follower in Go, %v is handed out", got)
	}
	three.stop()
	if got := counted(t, db, "f", group(0)); got != 2 {
		t.Errorf("%d changes are counted, must be 2", got)
	}
}

// An acknowledgement of a turn that is over moves nothing (L7): neither when another has
// the shard, nor when nobody has.
func TestAcknowledgeFencesTheReplaced(t *testing.T) {
	db := open(t)
	feed(t, db, 1, 2)
	paused := &deaf{Backend: db.Backend(), late: make(chan error, 1)}
	ttl := 200 * time.Millisecond
	old := subscribe(t, mainstem.New(paused), mainstem.Subscription{Follower: "f", Max: 1, HandOver: ttl})
	stale := old.first(2)
	must(t, db.Acknowledge(t.Context(), stale[0].Acknowledgement))
	before := cursorOf(t, db, "f", stale[0].Acknowledgement.Shard)
	paused.unplugged.Store(true) // it dies, and its leases run out
	young := subscribe(t, db, mainstem.Subscription{Follower: "f", Max: 1, HandOver: ttl})
	fresh := young.first(1)
	if fresh[0].Token != stale[1].Token || fresh[0].Acknowledgement.Fence <= stale[1].Acknowledgement.Fence {
		t.Errorf("the new one has %+v, the old one had %+v", fresh[0].Acknowledgement, stale[1].Acknowledgement)
	}
	code(t, db.Acknowledge(t.Context(), stale[1].Acknowledgement), mainstem.Fenced)
	if got := cursorOf(t, db, "f", fresh[0].Acknowledgement.Shard); got != before {
		t.Errorf("the cursor is at %s, and was at %s", got, before)
	}
	young.stop()
	err := db.Acknowledge(t.Context(), fresh[0].Acknowledgement)
	code(t, err, mainstem.Fenced)
	if got := cursorOf(t, db, "f", fresh[0].Acknowledgement.Shard); got != before {
		t.Errorf("after the end the cursor is at %s, and was at %s", got, before)
	}
	paused.unplugged.Store(false)
}

// What is handed out does not come twice in one turn, however long it waits, as long as
// there is progress; without any, the follower ends and others have its shards.
func TestDeliverLosesItsPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, err := embedded.InMemory(t.Context())
		must(t, err)
		defer func() { must(t, db.Close()) }()
		feed(t, db.DB, 1, 3)
		ended := make(chan error, 1)
		var all []mainstem.Delivery
		go func() {
			ended <- db.Deliver(t.Context(), mainstem.Subscription{Follower: "f", Max: 1, Patience: 5 * time.Minute}, func(_ context.Context, d mainstem.Delivery) error {
				all = append(all, d) // of one group, so of one shard
				return nil
			})
		}()
		for i := range 3 {
			time.Sleep(4 * time.Minute)
			synctest.Wait()
			if len(all) != 3 {
				t.Fatalf("%d changes of 3 are handed out after %d acknowledgements", len(all), i)
			}
			must(t, db.Acknowledge(t.Context(), all[i].Acknowledgement))
		}
		time.Sleep(time.Hour) // nothing waits
		feed(t, db.DB, 1, 1)
		began := time.Now()
		code(t, <-ended, mainstem.Fenced)
		if took := time.Since(began); took < 5*time.Minute || took > 7*time.Minute {
			t.Errorf("patience was lost after %s", took)
		}
		code(t, db.Acknowledge(t.Context(), all[3].Acknowledgement), mainstem.Fenced)
	})
}

// A cursor moves on over what is not the follower's, but not over what waits to be
// acknowledged.
func TestDeliverMovesOverOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, err := embedded.InMemory(t.Context())
		must(t, err)
		defer func() { must(t, db.Close()) }()
		feed(t, db.DB, 1, 1)
		s := subscribe(t, db.DB, mainstem.Subscription{Follower: "f", Match: mainstem.Match{Groups: []string{group(0)}}, Patience: time.Hour})
		waiting := s.first(1)[0]
		shard := waiting.Acknowledgement.Shard
		others := do(t, db.Group("other"), "", func(tx *mainstem.Txn) error { tx.Set("n", 1); return nil }).Token
		covers := func(shard int) bool {
			cursor, err := mainstem.ParseToken(cursorOf(t, db.DB, "f", shard))
			must(t, err)
			return cursor.Merge(others) == cursor
		}
		time.Sleep(10 * time.Minute)
		if covers(shard) || !covers((shard+1)%mainstem.FollowShards) {
			t.Errorf("while a change waits, its shard's cursor has seen the others: %t, another's: %t", covers(shard), covers((shard+1)%mainstem.FollowShards))
		}
		must(t, db.Acknowledge(t.Context(), waiting.Acknowledgement))
		time.Sleep(10 * time.Minute)
		if !covers(shard) {
			t.Error("once it is acknowledged, the cursor does not move on")
		}
		s.stop()
		if got := len(s.first(1)); got != 1 {
			t.Errorf("%d deliveries of one change", got)
		}
	})
}

func TestDeliverRefuses(t *testing.T) {
	db := open(t)
	for name, c := range map[string]struct {
		to   mainstem.Subscription
		want mainstem.Code
	}{
		"no name":   {mainstem.Subscription{}, mainstem.Invalid},
		"slash":     {mainstem.Subscription{Follower: "a/b"}, mainstem.Invalid},
		"long name": {mainstem.Subscription{Follower: text(mainstem.LimitFollower + 1)}, mainstem.TooLarge},
		"match":     {mainstem.Subscription{Follower: "f", Match: mainstem.Match{FirstSlot: 2, EndSlot: 1}}, mainstem.Invalid},
		"max":       {mainstem.Subscription{Follower: "f", Max: -1}, mainstem.Invalid},
		"hand over": {mainstem.Subscription{Follower: "f", HandOver: time.Millisecond}, mainstem.Invalid},
		"patience":  {mainstem.Subscription{Follower: "f", Patience: time.Millisecond}, mainstem.Invalid},
	} {
		err := db.Deliver(within(t), c.to, func(context.Context, mainstem.Delivery) error { return nil })
		if mainstem.CodeOf(err) != c.want {
			t.Errorf("%s: %v, must be %v", name, err, c.want)
		}
	}
	seen := mainstem.NewToken(mainstem.Mark{Position: 1})
	for name, a := range map[string]mainstem.Acknowledgement{
		"no name": {Fence: 1, Token: seen}, "shard": {Follower: "f", Shard: mainstem.FollowShards, Fence: 1, Token: seen},
		"below": {Follower: "f", Shard: -1, Fence: 1, Token: seen}, "no fence": {Follower: "f", Token: seen}, "no token": {Follower: "f", Fence: 1},
	} {
		if err := db.Acknowledge(t.Context(), a); mainstem.CodeOf(err) != mainstem.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	code(t, db.Acknowledge(t.Context(), mainstem.Acknowledgement{Follower: "f", Fence: 1, Token: seen}), mainstem.HistoryLost)
	broken := errors.New("the reader is gone")
	feed(t, db, 1, 1)
	seen = view(t, db.Group(group(0))).Stamp().Token
	code(t, db.Acknowledge(t.Context(), mainstem.Acknowledgement{Follower: "f", Fence: 1, Token: seen}), mainstem.Fenced)
	err := db.Deliver(within(t), mainstem.Subscription{Follower: "f"}, func(context.Context, mainstem.Delivery) error { return broken })
	if !errors.Is(err, broken) {
		t.Errorf("where the reader is gone: %v", err)
	}
}
