package server_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/wire"
	"github.com/mainstemdb/mainstem/mainstemtest"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
	"github.com/mainstemdb/mainstem/proto/mainstem/v1/mainstemv1connect"
	"github.com/mainstemdb/mainstem/server"
)

// version2 is a client of HTTP/2 without encryption.
func version2(t *testing.T) *http.Client {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols, TLSClientConfig: new(tls.Config)}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}
}

// rpc is a client of the contract, without what package remote adds.
func rpc(t *testing.T, base string) mainstemv1connect.DatabaseServiceClient {
	t.Helper()
	return mainstemv1connect.NewDatabaseServiceClient(version2(t), base)
}

func codeOf(err error) mainstem.Code {
	return mainstem.CodeOf(wire.Failure(err, mainstem.Undecided))
}

// TestMessagesAreBounded: one of LimitMessage bytes is taken, one with a byte more is
// not, also where it is small on its way.
func TestMessagesAreBounded(t *testing.T) {
	base := mainstemtest.Serve(t, mainstemtest.Open(t).Backend())
	for extra, want := range map[int]int{0: 200, 1: 429} {
		body := aCommit + strings.Repeat(" ", server.LimitMessage+extra-len(aCommit))
		if status, text := ask(t, base, "Commit", body); status != want {
			t.Errorf("%d bytes: %d %s", len(body), status, text)
		}
	}
	stream := rpc(t, base).Submit(t.Context())
	large := &pb.Transaction{Group: "g", Id: "large", Answer: &pb.Transaction_ReplyBase64{ReplyBase64: make([]byte, server.LimitMessage)}}
	_ = stream.Send(&pb.SubmitRequest{Submissions: []*pb.Submission{{Number: 1, Transaction: large}}}) // Receive tells
	for {
		m, err := stream.Receive()
		if err == nil && len(m.GetOutcomes()) == 0 {
			continue // it is open
		}
		if codeOf(err) != mainstem.Overloaded {
			t.Errorf("a large message of a stream: %v, %v", m, err)
		}
		break
	}
	_ = stream.CloseRequest() // it has ended
	_ = stream.CloseResponse()
}

// TestHeadersAreBounded: from both sides, with both versions of HTTP.
func TestHeadersAreBounded(t *testing.T) {
	base := mainstemtest.Serve(t, mainstemtest.Open(t).Backend())
	for name, client := range map[string]*http.Client{"HTTP/1.1": plain, "HTTP/2": version2(t)} {
		for size, want := range map[int]int{server.LimitHeader - 1<<10: 200, server.LimitHeader + 5<<10: 431} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/healthz", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Big", strings.Repeat("x", size))
			response, err := client.Do(r)
			if err != nil && name == "HTTP/2" && want == 431 {
				continue // this client knows the limit by the server's settings
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := response.Body.Close(); err != nil {
				t.Error(err)
			}
			if response.StatusCode != want {
				t.Errorf("%s, headers of %d bytes: %d", name, size, response.StatusCode)
			}
		}
	}
}

// gated is a Backend whose commits wait until the gate is opened.
type gated struct {
	mainstem.Backend
	gate chan struct{}
}

func (g gated) Commit(ctx context.Context, t *mainstem.Transaction) (*mainstem.Receipt, error) {
	select {
	case <-g.gate:
		return &mainstem.Receipt{Position: 1}, nil
	case <-ctx.Done():
		return nil, mainstem.Errorf(mainstem.Undecided, "%w", context.Cause(ctx))
	}
}

// TestCommitsOfAStreamAreBounded: a stream that is alone has half of LimitCommits run,
// one more is refused at once, and when they have ended there is place again.
func TestCommitsOfAStreamAreBounded(t *testing.T) {
	const most = server.LimitCommits / 2
	b := gated{mainstemtest.Open(t).Backend(), make(chan struct{})}
	stream := rpc(t, mainstemtest.Serve(t, b)).Submit(t.Context())
	number := uint64(0)
	send := func(n int) {
		t.Helper()
		m := &pb.SubmitRequest{}
		for range n {
			number++
			m.Submissions = append(m.Submissions, &pb.Submission{Number: number, Transaction: &pb.Transaction{Group: "g", Id: fmt.Sprint(number)}})
		}
		if err := stream.Send(m); err != nil {
			t.Fatal(err)
		}
	}
	answers := func(n int) (ok, overloaded int) {
		t.Helper()
		for ok+overloaded < n {
			m, err := stream.Receive()
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range m.GetOutcomes() {
				switch {
				case o.GetReceipt() != nil:
					ok++
				case o.GetError().GetCode() == "overloaded" && o.GetNumber() == most+1:
					overloaded++
				default:
					t.Fatalf("answer %v", o)
				}
			}
		}
		return ok, overloaded
	}
	send(most)
	send(1)
	if ok, overloaded := answers(1); ok != 0 || overloaded != 1 {
		t.Errorf("beyond the limit: %d run, %d refused", ok, overloaded)
	}
	close(b.gate)
	send(0)
	if ok, _ := answers(most); ok != most {
		t.Errorf("of those within the limit %d have run", ok)
	}
	send(1)
	if ok, _ := answers(1); ok != 1 {
		t.Error("there is no place again")
	}
	_ = stream.CloseRequest() // everything is answered
	_ = stream.CloseResponse()
}

// TestViewsAreBounded: views and reads share the places, and give them back however
// they end.
func TestViewsAreBounded(t *testing.T) {
	handler := server.New(mainstemtest.Open(t).Backend())
	handler.Bound(2, 1)
	base := mainstemtest.ServeHandler(t, handler)
	open := &pb.ViewRequest{Message: &pb.ViewRequest_Open{Open: &pb.ReadRequest{Group: "g", At: wire.Consistency(mainstem.Latest())}}}
	client := rpc(t, base)
	var views []interface{ CloseRequest() error }
	for range 2 {
		view := client.View(t.Context())
		if err := view.Send(open); err != nil {
			t.Fatal(err)
		}
		if _, err := view.Receive(); err != nil {
			t.Fatal(err)
		}
		views = append(views, view)
	}
	third := client.View(t.Context())
	_ = third.Send(open) // Receive tells
	if _, err := third.Receive(); codeOf(err) != mainstem.Overloaded {
		t.Errorf("a third view: %v", err)
	}
	const read = `{"group": "g", "at": {"latest": true}, "queries": [{"get": {"name": "k"}}]}`
	if status, text := ask(t, base, "Read", read); status != http.StatusTooManyRequests || !strings.Contains(text, "overloaded") {
		t.Errorf("a read beside two views: %d %s", status, text)
	}
	for _, v := range views {
		if err := v.CloseRequest(); err != nil { // the server hears it in a moment
			t.Error(err)
		}
	}
	eventually(t, "a view has a place", func() bool { status, _ := ask(t, base, "Read", read); return status == http.StatusOK })
	for _, wrong := range []string{`[{}]`, `[{"get": {"name": "k"}, "group": "other"}]`, `[{"scan": {"max": -1}}]`} {
		for range 3 {
			if status, text := ask(t, base, "Read", strings.Replace(read, `[{"get": {"name": "k"}}]`, wrong, 1)); status != http.StatusBadRequest {
				t.Errorf("%s: %d %s", wrong, status, text)
			}
		}
	}
	for range 3 {
		if status, text := ask(t, base, "Read", strings.Replace(read, `"latest": true`, `"as_of": "99"`, 1)); status == http.StatusOK {
			t.Errorf("a view of the future: %s", text)
		}
	}
	if status, text := ask(t, base, "Read", read); status != http.StatusOK {
		t.Errorf("after reads that failed: %d %s", status, text)
	}
}

// TestFeedsAreBounded: of both kinds together.
func TestFeedsAreBounded(t *testing.T) {
	db := mainstemtest.Open(t)
	put(t, db.DB, "g", "k", "v")
	handler := server.New(db.Backend())
	handler.Bound(1, 1)
	base := mainstemtest.ServeHandler(t, handler)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	first, err := rpc(t, base).Changes(ctx, connect.NewRequest(&pb.ChangesRequest{}))
	if err != nil || !first.Receive() {
		t.Fatal(err, first.Err())
	}
	second, err := rpc(t, base).Changes(t.Context(), connect.NewRequest(&pb.ChangesRequest{}))
	if err == nil && second.Receive() {
		t.Errorf("a second feed has begun: %v", second.Msg())
	} else if err == nil {
		err = second.Err()
	}
	if codeOf(err) != mainstem.Overloaded {
		t.Errorf("a second feed: %v", err)
	}
	if status, text := answered(t, feed(t, base, "")); status != http.StatusTooManyRequests {
		t.Errorf("a feed as lines: %d %s", status, text)
	}
	cancel()
	_ = first.Close() // of a context that has ended
	eventually(t, "a feed has a place", func() bool { status, _ := answered(t, feed(t, base, "")); return status == http.StatusOK })
}

// TestAnswersAreBounded: what a Read asks is little, and what it is answered must
// not be more than a server and a client want to hold.
func TestAnswersAreBounded(t *testing.T) {
	db := mainstemtest.Open(t)
	const each = 192 << 10
	for i := range 4 {
		put(t, db.DB, "g", fmt.Sprint("k", i), strings.Repeat("v", each))
	}
	client := rpc(t, mainstemtest.Serve(t, db.Backend()))
	read := func(n int) (answers int, err error) {
		m := &pb.ReadRequest{Group: "g", At: wire.Consistency(mainstem.Latest())}
		for range n {
			m.Queries = append(m.Queries, wire.Query(mainstem.Query{Kind: mainstem.QueryScan}))
		}
		r, err := client.Read(t.Context(), connect.NewRequest(m))
		if err != nil {
			return 0, err
		}
		return len(r.Msg.GetAnswers()), nil
	}
	fits := server.LimitAnswers / (4 * each)
	if n, err := read(fits - 1); err != nil || n != fits-1 {
		t.Errorf("within the limit: %d answers, %v", n, err)
	}
	for _, n := range []int{fits + 2, server.LimitQueries} {
		if _, err := read(n); codeOf(err) != mainstem.TooLarge {
			t.Errorf("%d large answers: %v", n, err)
		}
	}
}

// TestStreamsOfAConnectionAreBounded: the settings say so, and one more is refused
// while the others go on.
func TestStreamsOfAConnectionAreBounded(t *testing.T) {
	release := make(chan struct{})
	begun := make(chan struct{}, server.LimitStreams+1)
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		begun <- struct{}{}
		<-release
		w.WriteHeader(http.StatusNoContent)
	})
	c := enter(t, handler).raw()
	frames := make(chan string, 4*server.LimitStreams)
	go func() {
		defer close(frames)
		for {
			f, err := readFrame(c)
			if err != nil {
				return
			}
			frames <- f
		}
	}()
	if _, err := io.WriteString(c, preface+frame(4, 0, 0, "")); err != nil {
		t.Fatal(err)
	}
	settings := <-frames
	if want := "\x00\x03\x00\x00\x04\x00"; settings[3] != 4 || !strings.Contains(settings[9:], want) {
		t.Errorf("the settings %q do not say that there are %d streams", settings, server.LimitStreams)
	}
	for i := range uint32(server.LimitStreams + 1) {
		if _, err := io.WriteString(c, frame(1, 5, 2*i+1, get)); err != nil {
			t.Fatal(err)
		}
	}
	for range server.LimitStreams {
		<-begun
	}
	const refused = "\x00\x00\x04\x03\x00\x00\x00\x08\x01\x00\x00\x00" // RST_STREAM of 2049; the reason follows
	for f := range frames {
		if strings.HasPrefix(f, refused) {
			break
		}
		if f[3] == 3 || f[3] == 7 {
			t.Fatalf("frame %q ends another stream", f)
		}
	}
	close(release)
	for ended := 0; ended < server.LimitStreams; {
		f, open := <-frames
		if !open {
			t.Fatalf("the connection ended after %d answers", ended)
		}
		if f[3] == 1 {
			ended++
		}
	}
}
