package access

import (
	"context"
	"fmt"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstemdb/mainstem"
)

// TestFollowNeedsBothSides: whoever is handed changes has the right to the feed of them,
// and those to read and write what is kept of the follower; whoever acknowledges, the latter.
func TestFollowNeedsBothSides(t *testing.T) {
	feed := Rule{Rights: []Right{Feed}, Groups: []string{"a"}}
	own := Rule{Rights: []Right{Read, Write}, Groups: []string{"~follow/ship*"}}
	for name, c := range map[string]struct {
		rules         []Rule
		follow, moves bool
	}{
		"both":           {[]Rule{feed, own}, true, true},
		"feed":           {[]Rule{feed}, false, false},
		"own":            {[]Rule{own}, false, true},
		"another's feed": {[]Rule{{Rights: []Right{Feed}, Groups: []string{"b"}}, own}, false, true},
		"another's own":  {[]Rule{feed, {Rights: []Right{Read, Write}, Groups: []string{"~follow/mail*"}}}, false, false},
		"reads only":     {[]Rule{feed, {Rights: []Right{Read}, Groups: []string{"~follow/ship*"}}}, false, false},
		"writes only":    {[]Rule{feed, {Rights: []Right{Write}, Groups: []string{"~follow/ship*"}}}, false, false},
		"not its own":    {[]Rule{feed, {Rights: []Right{Read, Write}, Groups: []string{"*"}}}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				db := database(t)
				for i := range 2 {
					tx := &mainstem.Transaction{Group: "a", ID: mainstem.ID{Opaque: fmt.Sprint(i)}, Attempt: 1, Operations: put("k")}
					if _, err := db.Backend().Commit(t.Context(), tx); err != nil {
						t.Fatal(err)
					}
				}
				mine := mainstem.New(Guard(db.Backend(), as(t, gateOf(t, entry("c", c.rules...)), "c")))
				to := mainstem.Subscription{Follower: "ship", Match: mainstem.Match{Groups: []string{"a"}}, Max: 1}
				handed := deliver(t, mine, to)
				err := handed.err
				judge(t, "following", err, c.follow)
				if (len(handed.all) > 0) != c.follow {
					t.Errorf("%d changes are handed out", len(handed.all))
				}
				other := deliver(t, db.DB, to) // by somebody who may
				if len(other.all) == 0 {
					t.Fatalf("nothing is handed out: %v", other.err)
				}
				err = mine.Acknowledge(t.Context(), other.all[0].Acknowledgement)
				if c.moves && mainstem.CodeOf(err) == mainstem.Fenced { // its turn is over
					err = nil
				}
				judge(t, "acknowledging", err, c.moves)
			})
		})
	}
}

type handedOut struct {
	all []mainstem.Delivery
	err error
}

// deliver is what is handed out within a while.
func deliver(t *testing.T, db *mainstem.DB, to mainstem.Subscription) (h handedOut) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	h.err = db.Deliver(ctx, to, func(_ context.Context, d mainstem.Delivery) error {
		h.all = append(h.all, d) // of one group, so of one shard
		return nil
	})
	if ctx.Err() != nil {
		h.err = nil
	}
	return h
}

// named is a Backend that notes for which follower a feed is read.
type named struct {
	mainstem.Backend
	names []string
}

func (n *named) Changes(ctx context.Context, from mainstem.From) iter.Seq2[mainstem.Batch, error] {
	n.names = append(n.names, mainstem.FollowerOf(ctx))
	return n.Backend.Changes(ctx, from)
}

// TestFollowersAreNamedByRight: a feed is counted under the name of a follower where its
// reader may keep that follower's place, and else among those that have no name.
func TestFollowersAreNamedByRight(t *testing.T) {
	feed := Rule{Rights: []Right{Feed}, Groups: []string{"*"}}
	for name, c := range map[string]struct {
		rules []Rule
		want  string
	}{
		"its own":     {[]Rule{feed, {Rights: []Right{Read, Write}, Groups: []string{"~follow/ship*"}}}, "ship"},
		"feed":        {[]Rule{feed}, ""},
		"all but own": {[]Rule{feed, {Rights: []Right{Read, Write}, Groups: []string{"*"}}}, ""}, // but what is Mainstem's own
		"another's":   {[]Rule{feed, {Rights: []Right{Read, Write}, Groups: []string{"~follow/mail*"}}}, ""},
		"reads only":  {[]Rule{feed, {Rights: []Right{Read}, Groups: []string{"~follow/ship*"}}}, ""},
		"other names": {[]Rule{feed, {Rights: []Right{Read, Write}, Groups: []string{"~follow/ship*"}, Prefixes: []string{"a"}}}, ""},
		"longer name": {[]Rule{feed, {Rights: []Right{Read, Write}, Groups: []string{"~follow/shipping*"}}}, ""},
	} {
		for _, groups := range [][]string{nil, {"a"}} {
			behind := &named{Backend: database(t).Backend()}
			b := Guard(behind, as(t, gateOf(t, entry("c", c.rules...)), "c"))
			for _, err := range b.Changes(mainstem.WithFollower(t.Context(), "ship"), mainstem.From{Drain: true, Match: mainstem.Match{Groups: groups}}) {
				if err != nil {
					t.Fatal(err)
				}
			}
			if len(behind.names) != 1 || behind.names[0] != c.want {
				t.Errorf("%s, groups %v: counted for %q, not for %q", name, groups, behind.names, c.want)
			}
		}
	}
}
