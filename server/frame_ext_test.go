package server_test

import (
	"encoding/binary"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/grpcreflect"
	"google.golang.org/protobuf/proto"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/mainstemtest"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
	"github.com/mainstemdb/mainstem/server"
)

// envelope is a message in a stream: flags, length and content.
func envelope(flags byte, length int, content string) string {
	return string(binary.BigEndian.AppendUint32([]byte{flags}, uint32(length))) + content
}

// verdict posts a body over HTTP/2 and says what the protocol of the content type
// makes of it: "0" is success in each of them.
func verdict(t *testing.T, client *http.Client, url, kind, body string, headers ...string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := client.Do(r)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err.Error()
	}
	for _, h := range []http.Header{response.Trailer, response.Header} {
		if s := h.Get("Grpc-Status"); s != "" {
			return s + " " + h.Get("Grpc-Message")
		}
	}
	if response.StatusCode != http.StatusOK || strings.Contains(string(text), `"error"`) || strings.Contains(string(text), "grpc-status: ") && !strings.Contains(string(text), "grpc-status: 0") {
		return response.Status + " " + string(text)
	}
	return "0"
}

// TestMalformedFrames: whatever is wrong with the envelope of a message, its call
// fails with a word about it, at once, and the connection and the server go on.
func TestMalformedFrames(t *testing.T) {
	base := mainstemtest.Serve(t, mainstemtest.Open(t).Backend())
	client := version2(t)
	raw, err := proto.Marshal(&pb.CommitRequest{Transaction: &pb.Transaction{Group: "a", Id: "i"}})
	if err != nil {
		t.Fatal(err)
	}
	feed, err := proto.Marshal(&pb.ChangesRequest{Drain: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []struct{ name, call, content string }{
		{"application/grpc", "Commit", string(raw)},
		{"application/grpc+proto", "Commit", string(raw)},
		{"application/grpc+json", "Commit", `{"transaction":{"group":"a","id":"i"}}`},
		{"application/grpc-web+proto", "Commit", string(raw)},
		{"application/connect+proto", "Changes", string(feed)},
		{"application/connect+json", "Changes", `{"drain":true}`},
		{"application/grpc+proto", "Changes", string(feed)},
	} {
		url, n := base+service+kind.call, len(kind.content)
		good := envelope(0, n, kind.content)
		if v := verdict(t, client, url, kind.name, good); !strings.HasPrefix(v, "0") {
			t.Errorf("%s %s: a sound frame: %s", kind.name, kind.call, v)
		}
		for what, body := range map[string]string{
			"nothing":                      "",
			"half a head":                  good[:3],
			"a head alone":                 good[:5],
			"a longer length":              envelope(0, n+1, kind.content),
			"a length without end":         envelope(0, 1<<32-1, kind.content),
			"a length beyond the limit":    envelope(0, server.LimitMessage+1, kind.content),
			"a shorter length":             envelope(0, n-1, kind.content),
			"compressed with nothing said": envelope(1, n, kind.content),
			"flags that are not there":     envelope(0x70, n, kind.content),
			"no message":                   envelope(0, 4, "\xff\xff\xff\xff"),
			"two messages":                 good + good,
			"text":                         kind.content,
		} {
			if v := verdict(t, client, url, kind.name, body); strings.HasPrefix(v, "0") || len(v) < 5 || len(v) > 600 {
				t.Errorf("%s %s, %s: %.700s", kind.name, kind.call, what, v)
			}
		}
		if v := verdict(t, client, url, kind.name, envelope(1, n, kind.content), "Grpc-Encoding", "gzip", "Connect-Content-Encoding", "gzip"); strings.HasPrefix(v, "0") {
			t.Errorf("%s %s, compressed and not: %s", kind.name, kind.call, v)
		}
		if v := verdict(t, client, url, kind.name, good); !strings.HasPrefix(v, "0") {
			t.Errorf("%s %s, afterwards: %s", kind.name, kind.call, v)
		}
	}
}

// TestWrongOrderInStreams: messages that are right by themselves, at the wrong time.
func TestWrongOrderInStreams(t *testing.T) {
	client := rpc(t, mainstemtest.Serve(t, mainstemtest.Open(t).Backend()))
	query := &pb.ViewRequest{Message: &pb.ViewRequest_Query{Query: &pb.Query{Query: &pb.Query_Get{Get: &pb.NameQuery{Name: "k"}}}}}
	open := &pb.ViewRequest{Message: &pb.ViewRequest_Open{Open: &pb.ReadRequest{Group: "g", At: &pb.Consistency{Level: &pb.Consistency_Latest{Latest: true}}}}}
	for what, first := range map[string]*pb.ViewRequest{"a question": query, "nothing": {}, "no consistency": {Message: &pb.ViewRequest_Open{Open: &pb.ReadRequest{Group: "g"}}}} {
		view := client.View(t.Context())
		_ = view.Send(first) // Receive tells
		if m, err := view.Receive(); codeOf(err) != mainstem.Invalid {
			t.Errorf("first %s: %v, %v", what, m, err)
		}
		_ = view.CloseRequest() // it has ended
	}
	view := client.View(t.Context())
	ask := func(m *pb.ViewRequest) *pb.ViewResponse {
		t.Helper()
		_ = view.Send(m) // Receive tells
		answer, err := view.Receive()
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	if ask(open).GetOpened() == nil {
		t.Fatal("it did not open")
	}
	for range 2 { // the view stays open after each mistake
		for what, m := range map[string]*pb.ViewRequest{"another open": open, "nothing": {}} {
			if e := ask(m).GetError(); e.GetCode() != "invalid" || e.GetMessage() == "" {
				t.Errorf("%s in an open view: %v", what, e)
			}
		}
		if ask(query).GetAnswer() == nil {
			t.Error("a question after mistakes has no answer")
		}
	}
	_ = view.CloseRequest() // everything is answered
	submit := client.Submit(t.Context())
	bad := &pb.SubmitRequest{Submissions: []*pb.Submission{{Number: 1}, {Number: 2, Transaction: &pb.Transaction{Group: "g", Id: "i"}}, {Number: 3, Transaction: &pb.Transaction{Group: "g", Id: "j", Conditions: []*pb.Condition{{}}}}}}
	if err := submit.Send(bad); err != nil {
		t.Fatal(err)
	}
	for heard := 0; heard < 3; {
		m, err := submit.Receive()
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range m.GetOutcomes() {
			heard++
			if good := o.GetReceipt() != nil; good != (o.GetNumber() == 2) || !good && o.GetError().GetCode() != "invalid" {
				t.Errorf("answer %v", o)
			}
		}
	}
	_ = submit.CloseRequest() // everything is answered
}

// TestStrictJSON: what a forgiving reader would take for something else is refused.
func TestStrictJSON(t *testing.T) {
	base := mainstemtest.Serve(t, mainstemtest.Open(t).Backend())
	long := strings.Repeat("[", 1<<20)
	for _, body := range []string{
		`{"transaction": {"group": "a", "id": "i"}} {}`, `{"transaction": {"group": "a", "id": "i"}}x`, "\xef\xbb\xbf{}", `[]`, `null`, `"a"`,
		`{"transaction": {"group": "a", "group": "b", "id": "i"}}`, `{"transaction": {"group": "a\ud800", "id": "i"}}`, "{\"transaction\": {\"group\": \"\xff\", \"id\": \"i\"}}",
		`{"transaction": {"group": "a", "id": "i", "operations": [{"add": {"name": "n", "delta": "9223372036854775808"}}]}}`,
		`{"transaction": {"group": "a", "id": "i", "operations": [{"add": {"name": "n", "delta": 1e400}}]}}`,
		`{"transaction": {"group": "a", "id": "i", "operations": [{"put": {"name": "k", "value": "v"}, "delete": {"name": "k"}}]}}`,
		`{"transaction": {"group": "a", "id": "i", "operations": [{"put": {"name": "k", "value": "v", "counter": "1"}}]}}`,
		`{"transaction": {"group": "a", "id": "i", "attempt": -1}}`, `{"transaction": {"group": "a", "id": "~i"}}`, `{"transaction": {"group": "a", "id": "i", "deadline": "-5"}}`,
		long, `{"transaction": {"operations": ` + long, strings.Repeat(`{"transaction": `, 1<<16),
	} {
		if status, text := ask(t, base, "Commit", body); status != http.StatusBadRequest || !strings.Contains(text, `"message"`) || len(text) > 1<<10 {
			t.Errorf("%.80s: %d %.200s", body, status, text)
		}
	}
	for _, call := range []string{"Submit", "View"} { // two ways at once need HTTP/2
		if status, text := post(t, base+service+call, "application/connect+json", strings.NewReader(envelope(0, 2, "{}"))); status != http.StatusHTTPVersionNotSupported {
			t.Errorf("%s over HTTP/1.1: %d %s", call, status, text)
		}
	}
}

// TestReflection: a client that has no contract can ask for it.
func TestReflection(t *testing.T) {
	base := mainstemtest.Serve(t, mainstemtest.Open(t).Backend())
	stream := grpcreflect.NewClient(version2(t), base, connect.WithGRPC()).NewStream(t.Context())
	defer func() { _, _ = stream.Close() }() // everything is answered
	names, err := stream.ListServices()
	if err != nil || len(names) != 1 || names[0] != "mainstem.v1.DatabaseService" {
		t.Fatalf("services %v, %v", names, err)
	}
	files, err := stream.FileContainingSymbol(names[0])
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	calls := 0
	for _, f := range files {
		for _, s := range f.GetService() {
			calls += len(s.GetMethod())
		}
	}
	if calls != 8 {
		t.Errorf("%d calls are told", calls)
	}
	if _, err := stream.FileContainingSymbol("mainstem.v1.Nothing"); err == nil {
		t.Error("what is not there is told")
	}
}

// TestStoppedDatabaseIsNotReady: the process is alive, and says why it serves nothing.
func TestStoppedDatabaseIsNotReady(t *testing.T) {
	db, disk := mainstemtest.OpenFaulty(t)
	base := mainstemtest.Serve(t, db.Backend(), server.Promise(db.Guarantees), server.Health(db.Err))
	disk.Fail()
	if status, text := ask(t, base, "Commit", aCommit); status == http.StatusOK {
		t.Errorf("a commit on a broken disk: %d %s", status, text)
	}
	<-db.Done()
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 503} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if status, text := answered(t, r); status != want || want == 503 && !strings.Contains(text, `"reason"`) {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	for _, name := range []string{"", "mainstem.v1.DatabaseService"} {
		_, text := post(t, base+"/grpc.health.v1.Health/Check", "application/json", strings.NewReader(`{"service":"`+name+`"}`))
		if !strings.Contains(text, "NOT_SERVING") {
			t.Errorf("the health of %q is %s", name, text)
		}
	}
	if status, _ := post(t, base+"/grpc.health.v1.Health/Check", "application/json", strings.NewReader(`{"service":"other"}`)); status != http.StatusNotFound {
		t.Errorf("the health of a service that is not there: %d", status)
	}
}

// TestHalfAMessageHoldsNothing: the head of a message that promises 4 MiB costs
// neither that memory nor more time than BodyTimeout.
func TestHalfAMessageHoldsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const clients = 64
		b := enter(t, server.New(mainstemtest.Open(t).Backend()))
		before, began, ended := inUse(), time.Now(), make(chan string, clients)
		sent := envelope(0, server.LimitMessage, "")
		for range clients {
			client, body := b.http(true), &trickle{text: sent + "....", over: 10 * server.BodyTimeout, eager: len(sent)}
			go func() {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://pipe"+service+"Commit", body)
				if err != nil {
					panic(err)
				}
				r.Header.Set("Content-Type", "application/grpc")
				response, err := client.Do(r)
				if err != nil {
					ended <- err.Error()
					return
				}
				_, _ = io.Copy(io.Discard, response.Body) // the trailer counts
				ended <- response.Trailer.Get("Grpc-Status") + response.Header.Get("Grpc-Status")
				_ = response.Body.Close() // it waits for who still sends
			}()
		}
		synctest.Wait()
		if used := inUse() - before; used > clients*(512<<10) {
			t.Errorf("%d heads hold %d MiB", clients, used>>20)
		}
		for range clients {
			if v := <-ended; v == "0" {
				t.Error("half a message has succeeded")
			}
		}
		if took := time.Since(began); took > server.BodyTimeout+time.Second {
			t.Errorf("they were waited for %s", took)
		}
		time.Sleep(20 * server.BodyTimeout) // who sends may still be at it
	})
}
