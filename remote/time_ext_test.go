package remote_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/pipe"
	"github.com/mainstemdb/mainstem/internal/wire"
	"github.com/mainstemdb/mainstem/mainstemtest"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
	"github.com/mainstemdb/mainstem/proto/mainstem/v1/mainstemv1connect"
	"github.com/mainstemdb/mainstem/remote"
	"github.com/mainstemdb/mainstem/server"
)

// bubble is a network in memory, in a bubble where timeouts pass at once. What
// a test serves there is asked over HTTP as always.
type bubble struct {
	t     *testing.T
	net   *pipe.Net
	dials atomic.Int64
	dead  atomic.Bool // connections say nothing any more, and take everything
}

func enter(t *testing.T) *bubble {
	t.Helper()
	b := &bubble{t: t, net: pipe.New()}
	t.Cleanup(func() {
		_ = b.net.Close()                                                 // it always can
		<-time.After(remote.PingAfter + remote.PingTimeout + time.Second) // until the last connection is missed
	})
	return b
}

// serve answers on the network until the test ends.
func (b *bubble) serve(handler http.Handler) {
	web := server.HTTP(handler)
	done := make(chan error, 1)
	go func() { done <- web.Serve(b.net) }()
	b.t.Cleanup(func() {
		_ = web.Close() // the network is closed with it
		<-done
	})
}

// open is a client of whoever answers on the network.
func (b *bubble) open(opts ...remote.Option) *remote.DB {
	b.t.Helper()
	return dial(b.t, "http://pipe", append(opts, remote.Dial(b.dial))...)
}

func (b *bubble) dial(ctx context.Context, network, address string) (net.Conn, error) {
	b.dials.Add(1)
	c, err := b.net.Dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &mortal{Conn: c, dead: &b.dead, closed: make(chan struct{})}, nil
}

// mortal is a connection whose other side can die without a word: nothing comes any
// more, and what is written is lost, as it is until somebody misses an answer.
type mortal struct {
	net.Conn
	dead   *atomic.Bool
	once   sync.Once
	closed chan struct{}
}

func (c *mortal) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.dead.Load() {
		<-c.closed
		return 0, net.ErrClosed
	}
	return n, err
}

func (c *mortal) Write(p []byte) (int, error) {
	if c.dead.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

func (c *mortal) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// took wants something to take that long, to a moment.
func took(t *testing.T, what string, began time.Time, want time.Duration) {
	t.Helper()
	if d := time.Since(began); d < want || d > want+50*time.Millisecond {
		t.Errorf("%s took %s, must be %s", what, d, want)
	}
}

// TestDeadServerIsMissed: a server that is gone without a word is noticed by its
// silence; what was sent is undecided, and a view and a feed are unavailable.
func TestDeadServerIsMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := enter(t)
		gate := make(chan struct{})
		defer close(gate)
		behind := mainstemtest.Open(t)
		b.serve(server.New(partly{behind.Backend(), gate}))
		db := b.open()
		ctx := within(t, time.Hour)
		if _, err := add(ctx, db.DB, "g", "a"); err != nil {
			t.Fatal(err)
		}
		view, err := db.Group("g").View(ctx, mainstem.Latest())
		if err != nil {
			t.Fatal(err)
		}
		defer view.Close()
		began, want := time.Now(), remote.PingAfter+remote.PingTimeout
		b.dead.Store(true)
		commit := make(chan error)
		go func() {
			_, err := db.Backend().Commit(ctx, &mainstem.Transaction{Group: "stuck", ID: mainstem.ID{Opaque: "i"}, Attempt: 1})
			commit <- err
		}()
		_, err = view.Get(ctx, "n")
		wantCode(t, err, mainstem.Unavailable)
		took(t, "a question to a dead server", began, want)
		wantCode(t, <-commit, mainstem.Undecided)
		took(t, "a commit at a dead server", began, want)
	})
}

// TestNobodyListens: a server that does not take a connection, or takes it and says
// nothing, costs DialTimeout and no more; nothing was sent, so nothing is undecided.
func TestNobodyListens(t *testing.T) {
	for _, accepts := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := enter(t)
			if accepts {
				go func() {
					for {
						c, err := b.net.Accept()
						if err != nil {
							return
						}
						go func() { _, _ = io.Copy(io.Discard, c) }() // it ends with the client
					}
				}()
			}
			db := b.open()
			began := time.Now()
			_, err := db.Backend().Commit(t.Context(), &mainstem.Transaction{Group: "g", ID: mainstem.ID{Opaque: "i"}, Attempt: 1})
			wantCode(t, err, mainstem.Unavailable)
			took(t, "a commit", began, remote.DialTimeout)
		})
	}
}

// talker is a server whose feed says something after each of some silences, and nothing
// more after the last.
type talker struct {
	mainstemv1connect.UnimplementedDatabaseServiceHandler
	silences []time.Duration
	batches  bool
}

func (s talker) Changes(ctx context.Context, _ *connect.Request[pb.ChangesRequest], stream *connect.ServerStream[pb.ChangesResponse]) error {
	for _, d := range s.silences {
		<-time.After(d)
		if err := stream.Send(&pb.ChangesResponse{Heartbeat: !s.batches}); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return nil
}

func (s talker) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle(mainstemv1connect.NewDatabaseServiceHandler(s))
	return mux
}

// TestFeedThatNeverSpeaksIsBroken: not even a first sign.
func TestFeedThatNeverSpeaksIsBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := enter(t)
		b.serve(talker{}.handler())
		began := time.Now()
		for _, err := range b.open().Changes(t.Context(), mainstem.From{}) {
			wantCode(t, err, mainstem.Unavailable)
			took(t, "the feed", began, remote.FeedSilence)
		}
	})
}

// TestSilentFeedIsBroken: signs of life in time keep a feed, silence ends it, and what
// the reader takes its time for is no silence of the server's.
func TestSilentFeedIsBroken(t *testing.T) {
	almost := remote.FeedSilence - time.Second
	for _, batches := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := enter(t)
			b.serve(talker{silences: []time.Duration{almost, almost, almost}, batches: batches}.handler())
			began, want, heard := time.Now(), 3*almost+remote.FeedSilence, 0
			for _, err := range b.open().Changes(t.Context(), mainstem.From{}) {
				if err == nil {
					heard++
					if heard == 3 {
						time.Sleep(2 * remote.FeedSilence) // the reader's own
						want += 2 * remote.FeedSilence
					}
					continue
				}
				wantCode(t, err, mainstem.Unavailable)
				took(t, "the feed", began, want)
			}
			if batches && heard != 3 || !batches && heard != 0 {
				t.Errorf("%d batches were heard", heard)
			}
		})
	}
}

// TestBreakerLetsOneTry: a server that failed is left alone for BreakFor, then one
// call of many tries it, and once it has answered everybody does.
func TestBreakerLetsOneTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := enter(t)
		var up atomic.Bool
		refused := errors.New("connection refused")
		db := dial(t, "http://pipe", remote.Dial(func(ctx context.Context, network, address string) (net.Conn, error) {
			if !up.Load() {
				<-time.After(remote.BreakFor / 5) // so that calls at once overlap
				return nil, refused
			}
			return b.dial(ctx, network, address)
		}))
		// tries is how many of so many calls at once were not told that it is left alone.
		tries := func(n int) (tried int64) {
			var all sync.WaitGroup
			var asked atomic.Int64
			for range n {
				all.Go(func() {
					_, err := db.Get(t.Context(), "g", "n", mainstem.Latest())
					if !strings.Contains(fmt.Sprint(err), "left alone") {
						asked.Add(1)
					}
					if up.Load() && err == nil || mainstem.CodeOf(err) == mainstem.Unavailable {
						return
					}
					t.Error(err)
				})
			}
			all.Wait()
			return asked.Load()
		}
		for range remote.BreakAfter {
			if n := tries(1); n != 1 {
				t.Errorf("before it is left alone it is tried %d times", n)
			}
		}
		time.Sleep(remote.BreakFor)
		if n := tries(20); n != 0 {
			t.Errorf("while it is left alone it is tried %d times", n)
		}
		time.Sleep(1)
		if n := tries(20); n != 1 {
			t.Errorf("then it is tried %d times at once", n)
		}
		b.serve(server.New(mainstemtest.Open(t).Backend()))
		up.Store(true)
		if n := tries(20); n != 0 {
			t.Errorf("after the trial it is tried %d times", n)
		}
		time.Sleep(remote.BreakFor + 1)
		if n := tries(1); n != 1 {
			t.Errorf("the next trial is made %d times", n)
		}
		if n := tries(20); n != 20 {
			t.Errorf("after it has answered %d of 20 calls go through", n)
		}
	})
}

// TestHedgeWaits: a second server is asked when the first has been silent for as long
// as was said, not before, and not at all where the first one answers in time.
func TestHedgeWaits(t *testing.T) {
	const after = 3 * time.Second
	for delay, wantAsked := range map[time.Duration]int64{after - time.Second: 0, 2 * after: 1} {
		synctest.Test(t, func(t *testing.T) {
			behind := mainstemtest.Open(t)
			first, second := enter(t), enter(t)
			first.serve(server.New(late{behind.Backend(), delay}))
			second.serve(server.New(behind.Backend()))
			db := dial(t, "http://first,http://second", remote.Hedge(after), remote.Dial(func(ctx context.Context, network, address string) (net.Conn, error) {
				if address == "first:80" {
					return first.dial(ctx, network, address)
				}
				return second.dial(ctx, network, address)
			}))
			began := time.Now()
			if _, err := db.Get(t.Context(), "g", "n", mainstem.Latest()); err != nil {
				t.Error(err)
			}
			took(t, "a read", began, min(delay, after))
			if n := second.dials.Load(); n != wantAsked {
				t.Errorf("the second server was asked %d times where the first took %s", n, delay)
			}
		})
	}
}

// TestSilentServerIsLeftAlone: a server that takes views and answers none is one that
// fails. Callers who go before it could answer say nothing of it.
func TestSilentServerIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := enter(t)
		b.serve(server.New(late{mainstemtest.Open(t).Backend(), time.Hour}))
		const patience = 10 * time.Second
		db := dial(t, "http://pipe", remote.Dial(b.dial), remote.Timeout(patience))
		ask := func(within time.Duration, want string) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), within)
			defer cancel()
			if _, err := db.Backend().View(ctx, mainstem.ViewRequest{Group: "g", At: mainstem.Latest()}); !strings.Contains(fmt.Sprint(err), want) {
				t.Errorf("a view: %v, want %q", err, want)
			}
		}
		for range 2 * remote.BreakAfter {
			ask(time.Second, "waiting for")
		}
		for range remote.BreakAfter {
			ask(time.Hour, "no server opened")
			ask(time.Second, "") // whoever goes changes nothing
		}
		ask(time.Hour, "left alone")
		time.Sleep(remote.BreakFor + 1)
		ask(time.Hour, "no server opened")
	})
}

// late is a Backend whose views take long.
type late struct {
	mainstem.Backend
	by time.Duration
}

func (l late) View(ctx context.Context, r mainstem.ViewRequest) (mainstem.Snapshot, error) {
	select {
	case <-time.After(l.by):
		return l.Backend.View(ctx, r)
	case <-ctx.Done():
		return nil, mainstem.Errorf(mainstem.Cancelled, "%w", context.Cause(ctx))
	}
}

// lavish is a server whose views answer with that many bytes.
type lavish struct {
	mainstemv1connect.UnimplementedDatabaseServiceHandler
	size int
}

func (s lavish) View(_ context.Context, stream *connect.BidiStream[pb.ViewRequest, pb.ViewResponse]) error {
	if _, err := stream.Receive(); err != nil {
		return err
	}
	opened := &pb.ReadResponse{Stamp: wire.Stamp(mainstem.Stamp{}), Answers: []*pb.Answer{{Names: []string{""}}}}
	opened.Answers[0].Names[0] = string(make([]byte, s.size))
	return stream.Send(&pb.ViewResponse{Message: &pb.ViewResponse_Opened{Opened: opened}})
}

// TestAnswersAreBounded: what a server sends is held up to LimitAnswer, and no more.
func TestAnswersAreBounded(t *testing.T) {
	const envelope = 100 // at most
	for size, want := range map[int]mainstem.Code{remote.LimitAnswer - envelope: 0, remote.LimitAnswer + 1: mainstem.Unavailable} {
		mux := http.NewServeMux()
		mux.Handle(mainstemv1connect.NewDatabaseServiceHandler(lavish{size: size}))
		addr := port(t)
		_, kill := serve(t, addr, mux)
		_, err := dial(t, "http://"+addr).Group("g").View(t.Context(), mainstem.Latest())
		wantCode(t, err, want)
		kill()
	}
}
