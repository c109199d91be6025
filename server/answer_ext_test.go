package server_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/wire"
	"github.com/mainstemdb/mainstem/mainstemtest"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
	"github.com/mainstemdb/mainstem/proto/mainstem/v1/mainstemv1connect"
	"github.com/mainstemdb/mainstem/server"
)

// large is what the database of these tests holds, and answers with: text that does not
// become small when it is compressed.
var large = func() string {
	random, text := rand.New(rand.NewPCG(1, 2)), make([]byte, 192<<10)
	for i := range text {
		text[i] = byte('0' + random.IntN(64))
	}
	return strings.NewReplacer("\\", "a", "<", "b", ">", "c").Replace(string(text)) // which JSON writes otherwise
}()

// served is a server of a large answer in a bubble, and the time that each of its
// requests has taken.
func served(t *testing.T) (b bubble, took chan time.Duration) {
	t.Helper()
	behind := mainstemtest.Open(t)
	for i := range 3 {
		put(t, behind.DB, "g", fmt.Sprint("k", i), large)
	}
	inner := server.New(behind.Backend())
	took = make(chan time.Duration, 8)
	return enter(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		inner.ServeHTTP(w, r)
		took <- time.Since(began)
	})), took
}

// little is a client that takes 64 KiB before it is asked for more.
func (b bubble) little() mainstemv1connect.DatabaseServiceClient {
	client := b.http(true)
	client.Transport.(*http.Transport).HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerStream: 64 << 10}
	return mainstemv1connect.NewDatabaseServiceClient(client, "http://pipe")
}

var everything = &pb.ReadRequest{
	Group: "g", At: wire.Consistency(mainstem.Latest()),
	Queries: []*pb.Query{wire.Query(mainstem.Query{Kind: mainstem.QueryScan}), wire.Query(mainstem.Query{Kind: mainstem.QueryScan})},
}

const readEverything = `{"group": "g", "at": {"latest": true}, "queries": [{"scan": {}}, {"scan": {}}]}`

// rawRead asks for everything over HTTP/1.1.
func rawRead(t *testing.T, b bubble) io.Reader {
	t.Helper()
	c := b.raw()
	request := fmt.Sprintf("POST %sRead HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", service, len(readEverything), readEverything)
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestAnswersThatNobodyTakes: an answer whose client does not read it ends after
// AnswerTimeout, in each call and with both versions of HTTP.
func TestAnswersThatNobodyTakes(t *testing.T) {
	for name, begin := range map[string]func(t *testing.T, b bubble){
		"Read, HTTP/1.1": func(t *testing.T, b bubble) { rawRead(t, b) },
		"Read, HTTP/2": func(t *testing.T, b bubble) {
			client := b.http(true)
			client.Transport.(*http.Transport).HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerStream: 64 << 10}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://pipe"+service+"Read", strings.NewReader(readEverything))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			response, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = response.Body.Close() })
		},
		"View": func(t *testing.T, b bubble) {
			view := b.little().View(t.Context())
			if err := view.Send(&pb.ViewRequest{Message: &pb.ViewRequest_Open{Open: everything}}); err != nil {
				t.Fatal(err)
			}
		},
		"Submit": func(t *testing.T, b bubble) {
			submit := b.little().Submit(t.Context())
			m := &pb.SubmitRequest{}
			for i := range uint64(8) {
				m.Submissions = append(m.Submissions, &pb.Submission{Number: i, Transaction: &pb.Transaction{
					Group: "g", Id: fmt.Sprint("large", i), Answer: &pb.Transaction_ReplyBase64{ReplyBase64: []byte(large)},
				}})
			}
			if err := submit.Send(m); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, took := served(t)
				begin(t, b)
				synctest.Wait()
				time.Sleep(server.AnswerTimeout - time.Second)
				synctest.Wait()
				if len(took) > 0 {
					t.Errorf("it has ended after %s", <-took)
				}
				time.Sleep(2 * time.Second)
				synctest.Wait()
				if len(took) == 0 {
					t.Error("it goes on")
				}
			})
		})
	}
}

// TestSlowReadersAreServed: who takes 64 KiB in time gets everything, however long
// that is altogether; also a stream whose answers are far apart.
func TestSlowReadersAreServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, took := served(t)
		in, out := bufio.NewReader(rawRead(t, b)), bytes.Buffer{}
		response, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		for err == nil {
			time.Sleep(server.AnswerTimeout / 4)
			_, err = io.CopyN(&out, response.Body, 32<<10)
		}
		if err != io.EOF || strings.Count(out.String(), large) != 6 {
			t.Errorf("%d bytes, %v", out.Len(), err)
		}
		if d := <-took; d < 2*server.AnswerTimeout {
			t.Errorf("it took no more than %s", d)
		}
		view := b.rpc().View(t.Context())
		for i, m := range []*pb.ViewRequest{{Message: &pb.ViewRequest_Open{Open: everything}}, {Message: &pb.ViewRequest_Query{Query: everything.GetQueries()[0]}}} {
			if err := view.Send(m); err != nil {
				t.Fatal(err)
			}
			if _, err := view.Receive(); err != nil {
				t.Errorf("answer %d: %v", i, err)
			}
			time.Sleep(2 * server.AnswerTimeout) // less than ViewIdle
		}
		_ = view.CloseRequest() // everything is answered
		_ = view.CloseResponse()
	})
}

// TestFeedsWaitForTheirReaders: they hold nothing but a place in the log.
func TestFeedsWaitForTheirReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := served(t)
		c := b.raw()
		if _, err := io.WriteString(c, "GET /feed HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		feed, err := b.little().Changes(ctx, connect.NewRequest(&pb.ChangesRequest{Drain: true}))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * server.AnswerTimeout)
		if status, text := hear(c); status != http.StatusOK || strings.Count(text, large) != 3 {
			t.Errorf("a feed as lines: %d, %d bytes", status, len(text))
		}
		n := 0
		for feed.Receive() {
			n += len(feed.Msg().GetChanges())
		}
		if n != 3 || feed.Err() != nil {
			t.Errorf("a feed: %d changes, %v", n, feed.Err())
		}
		cancel()
		_ = feed.Close() // of a context that has ended
	})
}
