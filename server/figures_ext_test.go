package server_test

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/mainstemtest"
	"github.com/mainstemdb/mainstem/remote"
	"github.com/mainstemdb/mainstem/server"
)

// counted are a server's figures of one call.
func counted(s *server.Server, call string) server.CallFigures {
	for _, c := range s.Figures().Calls {
		if c.Call == call {
			return c
		}
	}
	return server.CallFigures{}
}

// eventually waits until something holds that a server does after it has answered.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	end := time.After(20 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("in vain: waiting until %s", what)
		}
	}
}

// TestFigures: every call is counted once, by what it came to, however it came in.
func TestFigures(t *testing.T) {
	s := server.New(mainstemtest.Open(t).Backend())
	address := mainstemtest.ServeHandler(t, s)
	if status, answer := ask(t, address, "Commit", `{"transaction": {"group": "g", "id": "a", "operations": [{"put": {"name": "k", "value": "v"}}]}}`); status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	ask(t, address, "Commit", `{"transaction": {"group": "g", "id": "b", "conditions": [{"key_absent": {"name": "k"}}]}}`)
	ask(t, address, "Read", `{"group": "g", "at": {"latest": true}}`)
	answered(t, request(t, address+"/feed"))
	answered(t, request(t, address+"/feed?after=nonsense"))
	db, err := remote.Open(address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for range 3 {
		if _, err := db.Group("g").Do(t.Context(), "", func(tx *mainstem.Txn) error { tx.Put("k", nil); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	_, err = db.Group("g").Do(t.Context(), "", func(tx *mainstem.Txn) error { tx.Require(mainstem.KeyAbsent{Name: "k"}); return nil })
	if err == nil {
		t.Fatal("a condition that does not hold held")
	}
	if c := counted(s, "Commit"); c.Done != 1 || c.Failed[mainstem.Exists] != 1 || c.Running != 0 {
		t.Errorf("Commit: %+v", c)
	}
	if c := counted(s, "Read"); c.Done != 1 {
		t.Errorf("Read: %+v", c)
	}
	if c := counted(s, server.CallFeed); c.Done != 1 {
		t.Errorf("a feed in lines: %+v; one that could not be read is no call", c)
	}
	if c := counted(s, server.CallTransaction); c.Done != 3 || c.Failed[mainstem.Exists] == 0 || c.Running != 0 {
		t.Errorf("transactions of the stream: %+v", c)
	}
	if c := counted(s, "Submit"); c.Running != 1 || c.Done != 0 {
		t.Errorf("the stream that is open: %+v", c)
	}
	ctx, cancel := context.WithCancel(t.Context())
	for _, err := range db.Changes(ctx, mainstem.From{}) {
		if err != nil {
			break
		}
		if f := s.Figures(); f.Feeds != 1 || f.Draining {
			t.Errorf("with a feed: %+v", f)
		}
		cancel()
	}
	cancel()
	eventually(t, "the feed has ended as called off", func() bool {
		c := counted(s, "Changes")
		return s.Figures().Feeds == 0 && c.Running == 0 && c.Failed[mainstem.Cancelled]+c.Done == 1
	})
}

// TestRefusalsAreCounted: what a server refuses without asking the database.
func TestRefusalsAreCounted(t *testing.T) {
	denied := &mainstem.Error{Code: mainstem.Denied, Message: "not you"}
	s := server.New(mainstemtest.Open(t).Backend(), server.Guard(func(context.Context, mainstem.Backend) (mainstem.Backend, error) {
		return nil, denied
	}))
	address := mainstemtest.ServeHandler(t, s)
	ask(t, address, "Commit", `{"transaction": {"group": "g", "id": "a"}}`)
	ask(t, address, "Status", `{}`)
	answered(t, request(t, address+"/feed"))
	for _, call := range []string{"Commit", "Status", server.CallFeed} {
		if c := counted(s, call); c.Failed[mainstem.Denied] != 1 || c.Done != 0 {
			t.Errorf("%s: %+v", call, c)
		}
	}
	if err := s.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	ask(t, address, "Commit", `{"transaction": {"group": "g", "id": "a"}}`)
	if c := counted(s, "Commit"); c.Failed[mainstem.Unavailable] != 1 || !s.Figures().Draining {
		t.Errorf("while it drains: %+v", c)
	}
}

func request(t *testing.T, url string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestFeedsOfFollowers: a server knows whose feed it is, and refuses a name that is none.
func TestFeedsOfFollowers(t *testing.T) {
	named := &namesFollowers{Backend: mainstemtest.Open(t).Backend()}
	db, err := remote.Open(mainstemtest.Serve(t, named))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for name, want := range map[string]mainstem.Code{"mail": 0, "": 0, "mail/00": mainstem.Invalid, strings.Repeat("x", mainstem.LimitName+1): mainstem.TooLarge} {
		named.name = "nobody asked"
		var ended error
		for _, err := range db.Changes(mainstem.WithFollower(t.Context(), name), mainstem.From{Drain: true}) {
			ended = errors.Join(ended, err)
		}
		if mainstem.CodeOf(ended) != want || want == 0 && named.name != name {
			t.Errorf("%.20q: %v, and the server heard %.20q", name, ended, named.name)
		}
	}
}

// namesFollowers is a Backend that notes whose feed was asked for.
type namesFollowers struct {
	mainstem.Backend
	name string
}

func (n *namesFollowers) Changes(ctx context.Context, from mainstem.From) iter.Seq2[mainstem.Batch, error] {
	n.name = mainstem.FollowerOf(ctx)
	return n.Backend.Changes(ctx, from)
}
