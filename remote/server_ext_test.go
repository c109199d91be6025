package remote_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/mainstemtest"
	"github.com/mainstemdb/mainstem/remote"
	"github.com/mainstemdb/mainstem/server"
)

// away is an address where nobody listens.
const away = "http://127.0.0.1:1"

func TestServersAreAway(t *testing.T) {
	db := dial(t, away+","+away)
	ctx := within(t, 20*time.Second)
	for range 8 { // more than the breaker takes
		began := time.Now()
		_, err := add(ctx, db.DB, "g", "a")
		wantCode(t, err, mainstem.Unavailable)
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("it took %s to say so", took)
		}
	}
	_, err := db.Status(ctx)
	wantCode(t, err, mainstem.Unavailable)
	for _, err := range db.Changes(ctx, mainstem.From{Drain: true}) {
		wantCode(t, err, mainstem.Unavailable)
	}
}

func TestAnotherServerAnswers(t *testing.T) {
	behind := mainstemtest.Open(t)
	db := dial(t, away+","+mainstemtest.Serve(t, behind.Backend()), remote.Hedge(0))
	ctx := within(t, 20*time.Second)
	for i := range 5 {
		if _, err := add(ctx, db.DB, "g", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(t, db.DB, "g"); n != 5 {
		t.Errorf("%d are counted", n)
	}
}

// slow is a Backend whose views take until they are let go.
type slow struct {
	mainstem.Backend
	held chan struct{}
}

func (s slow) View(ctx context.Context, r mainstem.ViewRequest) (mainstem.Snapshot, error) {
	select {
	case <-s.held:
		return s.Backend.View(ctx, r)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestSlowServerIsHedged(t *testing.T) {
	behind := mainstemtest.Open(t)
	if _, err := add(t.Context(), behind.DB, "g", "a"); err != nil {
		t.Fatal(err)
	}
	tardy := mainstemtest.Serve(t, slow{behind.Backend(), make(chan struct{})})
	db := dial(t, tardy+","+mainstemtest.Serve(t, behind.Backend()), remote.Hedge(5*time.Millisecond))
	for range 10 {
		if n := count(t, db.DB, "g"); n != 1 {
			t.Errorf("%d are counted", n)
		}
	}
}

// TestManyAreHedged: those who wait for a silent server at the same time all ask the
// other one.
func TestManyAreHedged(t *testing.T) {
	behind := mainstemtest.Open(t)
	if _, err := add(t.Context(), behind.DB, "g", "a"); err != nil {
		t.Fatal(err)
	}
	tardy := mainstemtest.Serve(t, slow{behind.Backend(), make(chan struct{})})
	sound := mainstemtest.Serve(t, behind.Backend())
	for range 5 {
		db := dial(t, tardy+","+sound, remote.Hedge(20*time.Millisecond))
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if v, err := db.Get(within(t, 10*time.Second), "g", "n", mainstem.Latest()); err != nil || v.Value.Int != 1 {
					t.Errorf("%d, %v", v.Value.Int, err)
				}
			})
		}
		all.Wait()
	}
}

// TestDrainLosesNothing: a server that leaves answers what runs, and clients that
// know another go on there without an error.
func TestDrainLosesNothing(t *testing.T) {
	behind := mainstemtest.Open(t)
	leaving := server.New(behind.Backend())
	first := mainstemtest.ServeHandler(t, leaving)
	db := dial(t, first+","+mainstemtest.Serve(t, behind.Backend()))
	ctx := within(t, 30*time.Second)
	const callers, each = 16, 60
	var all sync.WaitGroup
	begun := make(chan struct{}, callers)
	for i := range callers {
		all.Go(func() {
			for n := range each {
				if _, err := add(ctx, db.DB, "g", fmt.Sprintf("%d-%d", i, n)); err != nil {
					t.Errorf("a call during the drain: %v", err)
				}
				if n == each/4 {
					begun <- struct{}{}
				}
			}
		})
	}
	for range callers {
		<-begun
	}
	if err := leaving.Drain(ctx); err != nil {
		t.Error(err)
	}
	all.Wait()
	if n := count(t, behind.DB, "g"); n != callers*each {
		t.Errorf("%d are counted, %d were acknowledged", n, callers*each)
	}
	_, err := add(ctx, dial(t, first).DB, "g", "after")
	wantCode(t, err, mainstem.Unavailable)
	if !strings.Contains(fmt.Sprint(err), "going down") {
		t.Errorf("it does not say why: %v", err)
	}
}

// TestPatienceEnds: a server that does not answer leaves a commit undecided, and
// one that was not sent cancelled.
func TestPatienceEnds(t *testing.T) {
	behind := mainstemtest.Open(t)
	net := mainstemtest.NewFlaky(behind.Backend())
	db := dial(t, mainstemtest.Serve(t, net), remote.Timeout(100*time.Millisecond))
	ctx := within(t, 20*time.Second)
	if _, err := add(ctx, db.DB, "g", ""); err != nil {
		t.Fatal(err)
	}
	net.Pause()
	commit := func(ctx context.Context) error {
		_, err := db.Backend().Commit(ctx, &mainstem.Transaction{Group: "g", ID: mainstem.ID{Opaque: "x"}, Attempt: 1})
		return err
	}
	wantCode(t, commit(ctx), mainstem.Undecided)
	short, cancel := context.WithTimeout(ctx, 5*time.Millisecond)
	defer cancel()
	wantCode(t, commit(short), mainstem.Undecided)
	over, end := context.WithCancel(ctx)
	end()
	wantCode(t, commit(over), mainstem.Cancelled)
	net.Resume()
	if err := commit(ctx); err != nil {
		t.Errorf("after all: %v", err)
	}
}

// TestWaitingIsBounded: the transactions of one client that wait for an answer.
func TestWaitingIsBounded(t *testing.T) {
	behind := mainstemtest.Open(t)
	net := mainstemtest.NewFlaky(behind.Backend())
	db := dial(t, mainstemtest.Serve(t, net))
	ctx := within(t, 60*time.Second)
	if _, err := add(ctx, db.DB, "g", "first"); err != nil {
		t.Fatal(err)
	}
	net.Pause()
	answers := make(chan error, remote.LimitWaiting+1)
	for i := range remote.LimitWaiting + 1 {
		go func() {
			_, err := db.Backend().Commit(ctx, &mainstem.Transaction{Group: "g", ID: mainstem.ID{Opaque: fmt.Sprint(i)}, Attempt: 1})
			answers <- err
		}()
	}
	wantCode(t, <-answers, mainstem.Overloaded) // the only one that is answered
	net.Resume()
	for range remote.LimitWaiting {
		// More than the database's own queue takes is overloaded too, and nothing else.
		if err := <-answers; err != nil && mainstem.CodeOf(err) != mainstem.Overloaded {
			t.Errorf("after the pause: %v", err)
		}
	}
}

func TestClosedClient(t *testing.T) {
	behind := mainstemtest.Open(t)
	db := dial(t, mainstemtest.Serve(t, behind.Backend()))
	ctx := within(t, 20*time.Second)
	view, err := db.Group("g").View(ctx, mainstem.Latest())
	if err != nil {
		t.Fatal(err)
	}
	feed := make(chan error)
	go func() {
		for _, err := range db.Changes(ctx, mainstem.From{}) {
			feed <- err
		}
	}()
	if _, err := add(ctx, behind.DB, "g", "a"); err != nil {
		t.Fatal(err)
	}
	if err := <-feed; err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	wantCode(t, <-feed, mainstem.Stopped)
	_, err = view.Get(ctx, "n")
	if err == nil {
		t.Error("a view of a closed client answers")
	}
	_, err = add(ctx, db.DB, "g", "b")
	wantCode(t, err, mainstem.Stopped)
}

func TestAddresses(t *testing.T) {
	for _, bad := range []string{
		"", "127.0.0.1:7171", "ftp://a", "http://", "http://user:secret@a:1", "postgres://user:secret@a:1/shop", "http//user:secret@a:1", "http://a:1/path", "http://a:1?q", "http://a:1,",
		strings.Repeat("http://a:1,", remote.LimitServers) + "http://a:1",
	} {
		db, err := remote.Open(bad)
		if code := mainstem.CodeOf(err); code != mainstem.Invalid && code != mainstem.TooLarge {
			t.Errorf("%q: %v, %v", bad, db, err)
		}
		if strings.Contains(fmt.Sprint(err), "secret") {
			t.Errorf("%q: the error tells a secret: %v", bad, err)
		}
	}
	token := remote.Bearer(func() (string, error) { return "t", nil })
	_, err := remote.Open("http://db.example:7171", token)
	wantCode(t, err, mainstem.Invalid)
	for _, good := range []string{"https://db.example:7171", "http://localhost:7171/", "http://[::1]:7171, http://127.0.0.1:1"} {
		db, err := remote.Open(good, token)
		if err != nil {
			t.Errorf("%s: %v", good, err)
			continue
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}
