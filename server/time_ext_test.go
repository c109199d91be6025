package server_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/pipe"
	"github.com/mainstemdb/mainstem/internal/wire"
	"github.com/mainstemdb/mainstem/mainstemtest"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
	"github.com/mainstemdb/mainstem/server"
)

// TestSlowHeaders: headers that come bit by bit are heard if they end in time, and
// otherwise the connection ends then.
func TestSlowHeaders(t *testing.T) {
	const request = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
	for over, want := range map[time.Duration]int{server.HeaderTimeout - 100*time.Millisecond: 200, server.HeaderTimeout * 2: 400} {
		synctest.Test(t, func(t *testing.T) {
			c := enter(t, server.New(nil)).raw()
			began := time.Now()
			said := make(chan error, 1)
			go func() { said <- say(c, request, over) }()
			status, text := hear(c)
			if status != want {
				t.Errorf("headers over %s: %d %s", over, status, text)
			}
			if took := time.Since(began); took > server.HeaderTimeout+100*time.Millisecond {
				t.Errorf("headers over %s held the connection for %s", over, took)
			}
			if err := <-said; (err == nil) != (want == 200) {
				t.Errorf("headers over %s: they were sent with %v", over, err)
			}
		})
	}
}

const aCommit = `{"transaction": {"group": "a", "id": "i", "operations": [{"put": {"name": "k", "value": "v"}}]}}`

// TestSlowBodies: a body that comes bit by bit is taken if it ends in time, and
// otherwise its request ends then, with both versions of HTTP.
func TestSlowBodies(t *testing.T) {
	for _, version2 := range []bool{false, true} {
		for over, wantOK := range map[time.Duration]bool{server.BodyTimeout - time.Second: true, server.BodyTimeout * 2: false} {
			synctest.Test(t, func(t *testing.T) {
				db := mainstemtest.Open(t)
				client := enter(t, server.New(db.Backend())).http(version2)
				defer func() { time.Sleep(over) }() // who sends may still be at it
				began := time.Now()
				status, text, err := sendBody(t, client, &trickle{text: aCommit, over: over})
				if ok := err == nil && status == http.StatusOK; ok != wantOK {
					t.Errorf("HTTP/2 %t, a body over %s: %d %s %v", version2, over, status, text, err)
				}
				if took := time.Since(began); took > server.BodyTimeout+time.Second {
					t.Errorf("HTTP/2 %t, a body over %s was waited for %s", version2, over, took)
				}
				v, err := db.Get(t.Context(), "a", "k", mainstem.Latest())
				if err != nil || v.Exists != wantOK {
					t.Errorf("HTTP/2 %t, a body over %s: the key is there %t, %v", version2, over, v.Exists, err)
				}
			})
		}
	}
}

// sendBody posts a Commit.
func sendBody(t *testing.T, client *http.Client, body io.Reader) (status int, text string, err error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://pipe"+service+"Commit", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	all, err := io.ReadAll(response.Body)
	return response.StatusCode, string(all), err
}

// tardy is a Backend that takes long over everything.
type tardy struct {
	mainstem.Backend
	by time.Duration
}

func (d tardy) Commit(ctx context.Context, t *mainstem.Transaction) (*mainstem.Receipt, error) {
	<-time.After(d.by)
	return d.Backend.Commit(ctx, t)
}

func (d tardy) View(ctx context.Context, r mainstem.ViewRequest) (mainstem.Snapshot, error) {
	<-time.After(d.by)
	return d.Backend.View(ctx, r)
}

// TestAnswersMayTakeLonger: the timeout of a body is not one of the answer.
func TestAnswersMayTakeLonger(t *testing.T) {
	for _, version2 := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			db := mainstemtest.Open(t)
			client := enter(t, server.New(tardy{db.Backend(), 3 * server.BodyTimeout})).http(version2)
			if status, text, err := sendBody(t, client, strings.NewReader(aCommit)); err != nil || status != http.StatusOK {
				t.Errorf("HTTP/2 %t: %d %s %v", version2, status, text, err)
			}
		})
	}
}

// TestFeedsOutliveTheBody: a feed goes on for as long as somebody reads, in each
// protocol and with both versions of HTTP; its signs of life come in time.
func TestFeedsOutliveTheBody(t *testing.T) {
	for _, version2 := range []bool{false, true} {
		for name, option := range map[string]connect.ClientOption{
			"connect": connect.WithProtoJSON(), "gRPC-Web": connect.WithGRPCWeb(), "gRPC": connect.WithGRPC(),
		} {
			if name == "gRPC" && !version2 {
				continue // gRPC is HTTP/2
			}
			synctest.Test(t, func(t *testing.T) {
				db := mainstemtest.Open(t)
				b := enter(t, server.New(db.Backend()))
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				feed, err := connect.NewClient[pb.ChangesRequest, pb.ChangesResponse](b.http(version2), "http://pipe"+service+"Changes", option).
					CallServerStream(ctx, connect.NewRequest(&pb.ChangesRequest{}))
				if err != nil {
					t.Fatal(err)
				}
				last := time.Now()
				for beats := 0; beats < 10; beats++ {
					if !feed.Receive() {
						t.Fatalf("%s, HTTP/2 %t: after %d signs of life: %v", name, version2, beats, feed.Err())
					}
					if silence := time.Since(last); silence > server.Heartbeat || !feed.Msg().GetHeartbeat() {
						t.Errorf("%s, HTTP/2 %t: after %s came %v", name, version2, silence, feed.Msg())
					}
					last = time.Now()
				}
				put(t, db.DB, "a", "k", "v")
				if !feed.Receive() || len(feed.Msg().GetChanges()) != 1 {
					t.Errorf("%s, HTTP/2 %t: %v, %v", name, version2, feed.Msg(), feed.Err())
				}
				cancel()
				_ = feed.Close() // of a context that has ended
			})
		}
	}
}

// viewCounter counts the views that are open.
type viewCounter struct {
	mainstem.Backend
	open chan int // the number
}

func (c viewCounter) View(ctx context.Context, r mainstem.ViewRequest) (mainstem.Snapshot, error) {
	s, err := c.Backend.View(ctx, r)
	if err == nil {
		c.open <- 1 + <-c.open
		s = &countedView{s, c.open}
	}
	return s, err
}

type countedView struct {
	mainstem.Snapshot
	open chan int
}

func (v *countedView) Close() error {
	v.open <- <-v.open - 1
	return v.Snapshot.Close()
}

// TestIdleViewsAreReleased: a question just in time is answered; a view that is not
// asked for longer ends, and holds nothing any more.
func TestIdleViewsAreReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := make(chan int, 1)
		open <- 0
		rpc := enter(t, server.New(viewCounter{mainstemtest.Open(t).Backend(), open})).rpc()
		view := rpc.View(t.Context())
		must := func(m *pb.ViewRequest) {
			t.Helper()
			if err := view.Send(m); err != nil {
				t.Fatal(err)
			}
			if answer, err := view.Receive(); err != nil || answer.GetError() != nil {
				t.Fatalf("%v, %v", answer, err)
			}
		}
		must(&pb.ViewRequest{Message: &pb.ViewRequest_Open{Open: &pb.ReadRequest{Group: "g", At: wire.Consistency(mainstem.Latest())}}})
		for range 3 {
			time.Sleep(server.ViewIdle - time.Second)
			must(&pb.ViewRequest{Message: &pb.ViewRequest_Query{Query: wire.Query(mainstem.Query{Kind: mainstem.QueryGet, Name: "k"})}})
		}
		began := time.Now()
		_, err := view.Receive()
		if took := time.Since(began); took != server.ViewIdle || mainstem.CodeOf(wire.Failure(err, mainstem.Undecided)) != mainstem.Unavailable {
			t.Errorf("after %s it ended with %v", took, err)
		}
		synctest.Wait()
		if n := <-open; n != 0 {
			t.Errorf("%d views are still held", n)
		}
		_ = view.CloseRequest() // what counts is said
		_ = view.CloseResponse()
	})
}

// TestViewsThatAreNeverOpened: a stream of questions that has not begun is no
// longer waited for than one that goes on, and not at all by a server that leaves.
func TestViewsThatAreNeverOpened(t *testing.T) {
	for _, leaves := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := server.New(mainstemtest.Open(t).Backend())
			ctx, cancel := context.WithTimeout(t.Context(), 2*server.ViewIdle)
			defer cancel()
			view := enter(t, s).rpc().View(ctx)
			_ = view.Send(nil) // headers only; what failed is told by Receive
			began, longest := time.Now(), server.ViewIdle
			synctest.Wait()
			if leaves {
				longest = 0
				if err := s.Drain(ctx); err != nil {
					t.Error(err)
				}
			}
			_, err := view.Receive()
			if took := time.Since(began); took > longest || mainstem.CodeOf(wire.Failure(err, mainstem.Undecided)) != mainstem.Unavailable {
				t.Errorf("a server that leaves %t: after %s it ended with %v", leaves, took, err)
			}
			_ = view.CloseRequest() // what counts is said
			_ = view.CloseResponse()
		})
	}
}

// TestSilentClientsAreLeft: a client that is gone without a word holds its feed no
// longer than it takes to ask twice.
func TestSilentClientsAreLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan time.Time, 1)
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			ended <- time.Now()
		})
		c := enter(t, handler).raw()
		began := time.Now()
		go func() { _, _ = io.Copy(io.Discard, c) }() // it hears everything and says nothing
		if _, err := io.WriteString(c, preface+frame(4, 0, 0, "")+frame(1, 5, 1, get)); err != nil {
			t.Fatal(err)
		}
		if took := (<-ended).Sub(began); took > server.PingAfter+server.PingTimeout+time.Second {
			t.Errorf("it was waited for %s", took)
		}
	})
}

// TestIdleConnectionsAreClosed: after a while without requests, not before.
func TestIdleConnectionsAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := enter(t, server.New(nil)).raw()
		get := func() int {
			go func() { _, _ = io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n") }() // the answer tells
			status, _ := hear(c)
			return status
		}
		for range 3 {
			if status := get(); status != http.StatusOK {
				t.Fatalf("status %d", status)
			}
			time.Sleep(server.IdleTimeout - time.Second)
		}
		if status := get(); status != http.StatusOK {
			t.Fatalf("status %d", status)
		}
		began := time.Now()
		_, err := c.Read(make([]byte, 1))
		if took := time.Since(began); err == nil || took != server.IdleTimeout {
			t.Errorf("closed after %s: %v", took, err)
		}
	})
}

// TestSlowHandshakes: one that does not end in time ends the connection, one that does is
// heard, however slow.
func TestSlowHandshakes(t *testing.T) {
	lent := httptest.NewTLSServer(http.NotFoundHandler()) // for its certificate
	lent.Close()
	for over, want := range map[time.Duration]bool{server.HeaderTimeout - time.Second: true, 2 * server.HeaderTimeout: false} {
		synctest.Test(t, func(t *testing.T) {
			network := pipe.New()
			web := server.HTTP(server.New(nil))
			web.TLSConfig, web.ErrorLog = &tls.Config{Certificates: lent.TLS.Certificates, MinVersion: tls.VersionTLS13}, log.New(io.Discard, "", 0)
			done := make(chan error, 1)
			go func() { done <- web.ServeTLS(network, "", "") }()
			c, err := network.Dial(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(over)
			err = tls.Client(c, &tls.Config{InsecureSkipVerify: true}).HandshakeContext(t.Context()) //nolint:gosec // it is the time that is tested
			if (err == nil) != want {
				t.Errorf("a handshake that begins after %s: %v", over, err)
			}
			// In this order: a server that says goodbye to whom nobody reads waits in real time.
			if err := errors.Join(c.Close(), web.Close()); err != nil {
				t.Error(err)
			}
			<-done
		})
	}
}

// TestHalfAFrameIsLeft: a connection of HTTP/2 that stops in the middle of a frame, or
// goes on with a byte now and then, holds nothing for longer than it takes to ask twice.
func TestHalfAFrameIsLeft(t *testing.T) {
	headers := frame(1, 5, 1, get)
	for name, rest := range map[string]string{
		"preface": preface[:10], "frame": preface + frame(4, 0, 0, "") + headers[:len(headers)-2], "head": preface + frame(4, 0, 0, "") + headers[:5],
		"headers that go on": preface + frame(4, 0, 0, "") + frame(1, 1, 1, get),
	} {
		for _, drips := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				c := enter(t, server.New(nil)).raw()
				ended := make(chan time.Time, 1)
				go func() {
					_, _ = io.Copy(io.Discard, c)
					ended <- time.Now()
				}()
				began := time.Now()
				if _, err := io.WriteString(c, rest); err != nil {
					t.Fatal(err)
				}
				for drips {
					<-time.After(12 * time.Second)
					_, err := io.WriteString(c, "\x00")
					drips = err == nil
				}
				if took := (<-ended).Sub(began); took > server.PingAfter+server.PingTimeout+time.Second {
					t.Errorf("half a %s: it was waited for %s", name, took)
				}
			})
		}
	}
}
