package remote_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/mainstemtest"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
	"github.com/mainstemdb/mainstem/remote"
	"github.com/mainstemdb/mainstem/server"
)

// outward are the calls that a client makes, each once.
var outward = map[string]func(ctx context.Context, db *remote.DB) error{
	"commit": func(ctx context.Context, db *remote.DB) error {
		_, err := db.Backend().Commit(ctx, &mainstem.Transaction{Group: "g", ID: mainstem.ID{Opaque: "i"}})
		return err
	},
	"view": func(ctx context.Context, db *remote.DB) error {
		_, err := db.Backend().View(ctx, mainstem.ViewRequest{Group: "g", At: mainstem.Latest()})
		return err
	},
	"feed": func(ctx context.Context, db *remote.DB) (err error) {
		for _, err = range db.Changes(ctx, mainstem.From{}) {
			break
		}
		return err
	},
	"status":  func(ctx context.Context, db *remote.DB) error { _, err := db.Status(ctx); return err },
	"members": func(ctx context.Context, db *remote.DB) error { _, err := db.Members(ctx); return err },
	"forget":  func(ctx context.Context, db *remote.DB) error { return db.Forget(ctx, "a") },
	"move": func(ctx context.Context, db *remote.DB) error {
		_, err := db.Move(ctx, "nowhere", func(remote.MoveStep) {})
		return err
	},
}

// bad are servers that do not answer, and how long a client listens to one at most.
var bad = map[string]struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)
	most time.Duration
}{
	"refuses": {func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	}, 0},
	// It takes what it is sent, and says nothing.
	"silent": {func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, there) }()
		return here, nil
	}, remote.PingAfter + remote.PingTimeout},
}

// TestEveryCallHasABreaker: whatever is asked of a server that does not answer ends in
// time, and after a few times it is left alone by every other call too.
func TestEveryCallHasABreaker(t *testing.T) {
	for kind, c := range bad {
		for name, call := range outward {
			synctest.Test(t, func(t *testing.T) {
				// After the client has been closed: until the last connection is missed.
				t.Cleanup(func() { <-time.After(remote.PingAfter + remote.PingTimeout + time.Second) })
				var dials atomic.Int64
				db := dial(t, "http://pipe", remote.Dial(func(ctx context.Context, network, address string) (net.Conn, error) {
					dials.Add(1)
					return c.dial(ctx, network, address)
				}))
				for range remote.BreakAfter {
					began := time.Now()
					err := call(t.Context(), db)
					if code := mainstem.CodeOf(err); code != mainstem.Unavailable && (code != mainstem.Undecided || kind == "refuses") || strings.Contains(err.Error(), "left alone") {
						t.Errorf("%s of a server that %s: %v", name, kind, err)
					}
					if took := time.Since(began); took > c.most+time.Second {
						t.Errorf("%s of a server that %s took %s", name, kind, took)
					}
				}
				before := dials.Load()
				for other, call := range outward {
					if err := call(t.Context(), db); mainstem.CodeOf(err) != mainstem.Unavailable || !strings.Contains(err.Error(), "left alone") {
						t.Errorf("after %s, %s of a server that %s: %v", name, other, kind, err)
					}
				}
				if more := dials.Load() - before; more != 0 {
					t.Errorf("after %s, a server that %s is dialed %d times more", name, kind, more)
				}
			})
		}
	}
}

// TestEveryCallHasATimeout: a server that is there, and whose calls never end, is given
// up in time, by each call.
func TestEveryCallHasATimeout(t *testing.T) {
	most := map[string]time.Duration{"commit": remote.DialTimeout, "feed": remote.FeedSilence, "move": remote.FeedSilence}
	for name, call := range outward {
		synctest.Test(t, func(t *testing.T) {
			b := enter(t)
			b.serve(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				<-r.Context().Done()
			}))
			db := b.open(remote.Timeout(20 * time.Second))
			limit, ok := most[name]
			if !ok {
				limit = 20 * time.Second
			}
			began := time.Now()
			err := call(t.Context(), db)
			if code := mainstem.CodeOf(err); code != mainstem.Unavailable && (code != mainstem.Undecided || name != "forget" && name != "move") {
				t.Errorf("%s: %v", name, err)
			}
			took(t, name, began, limit)
		})
	}
}

// TestMoveIsHeard: a move may take as long as it likes, as long as the server is there.
func TestMoveIsHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := enter(t)
		b.serve(server.New(mainstemtest.Open(t).Backend(), server.Admin(func(context.Context) error { return nil }, server.Operations{
			Move: func(_ context.Context, _ string, tell func(*pb.MoveResponse)) (*pb.MoveResponse, error) {
				tell(&pb.MoveResponse{Step: "copy"})
				time.Sleep(10 * remote.FeedSilence)
				tell(&pb.MoveResponse{Step: "commit"})
				return &pb.MoveResponse{Step: "done", Generation: "1"}, nil
			},
		})))
		var steps []string
		done, err := b.open().Move(t.Context(), "elsewhere", func(s remote.MoveStep) { steps = append(steps, s.Step) })
		if err != nil || done.Generation != "1" || strings.Join(steps, " ") != "copy commit done" {
			t.Errorf("%+v after %v, %v", done, steps, err)
		}
	})
}
