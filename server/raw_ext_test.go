package server_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/mainstemtest"
	"github.com/mainstemdb/mainstem/remote"
	"github.com/mainstemdb/mainstem/server"
)

// net/http waits for half a second before it closes what it has refused.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

const service = "/mainstem.v1.DatabaseService/"

// plain is a client as curl is one: HTTP/1.1, no library.
var plain = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}

// post sends a body and returns status and answer.
func post(t *testing.T, url, contentType string, body io.Reader, headers ...string) (status int, answer string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return answered(t, r)
}

func answered(t *testing.T, r *http.Request) (status int, answer string) {
	t.Helper()
	response, err := plain.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func ask(t *testing.T, base, method, body string) (status int, answer string) {
	t.Helper()
	return post(t, base+service+method, "application/json", strings.NewReader(body))
}

// TestJSONWithoutALibrary: what stands in the documentation works with curl.
func TestJSONWithoutALibrary(t *testing.T) {
	base := mainstemtest.Serve(t, mainstemtest.Open(t).Backend())
	buy := `{"transaction": {"group": "item-42", "id": "order-9",
		"operations": [{"add": {"name": "stock", "delta": 3, "floor": 0}}, {"put": {"name": "note", "value": "é", "ttl": "3600s"}}], "reply": "thank you"}}`
	for i, replayed := range []bool{false, true} {
		status, text := ask(t, base, "Commit", buy)
		var got struct {
			Receipt struct {
				Position string
				Reply    string
				Replayed bool
				Results  []struct{ Counter string }
			}
		}
		if err := json.Unmarshal([]byte(text), &got); err != nil || status != http.StatusOK {
			t.Fatalf("%d %s: %v", status, text, err)
		}
		r := got.Receipt
		if r.Position != "1" || r.Reply != "thank you" || r.Replayed != replayed || len(r.Results) != 2 || r.Results[0].Counter != "3" {
			t.Errorf("call %d: %s", i, text)
		}
	}
	status, text := ask(t, base, "Read", `{"group": "item-42", "at": {"latest": true}, "queries": [
		{"get": {"name": "stock"}}, {"get": {"name": "note"}}, {"get": {"name": "nothing"}}, {"id": {"name": "order-9"}}, {"scan": {"max": 1}}]}`)
	for _, want := range []string{`"counter":"3"`, `"value":"é"`, `"replayed":true`, `"more":true`} {
		if status != http.StatusOK || !strings.Contains(strings.ReplaceAll(text, " ", ""), want) {
			t.Errorf("%s is not in %d %s", want, status, text)
		}
	}
	status, text = ask(t, base, "Commit", strings.NewReplacer(`"delta": 3`, `"delta": -7`, "order-9", "order-10").Replace(buy))
	if status == http.StatusOK || !strings.Contains(text, `"code":"out_of_range"`) || !strings.Contains(text, "would pass the floor 0") {
		t.Errorf("beyond the floor: %d %s", status, text)
	}
}

// TestBadRequests: each is refused with a word about why, and the server goes on.
func TestBadRequests(t *testing.T) {
	base := mainstemtest.Serve(t, mainstemtest.Open(t).Backend())
	commit := base + service + "Commit"
	bomb := func() io.Reader {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := io.CopyN(z, zeros{}, 64<<20); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return &b
	}
	deep := strings.Repeat(`{"transaction":`, 10_000)
	for _, c := range []struct {
		name, contentType string
		body              io.Reader
		headers           []string
		status            int
		word              string
	}{
		{"a field that is not there", "application/json", strings.NewReader(`{"transaction": {"gruop": "a"}}`), nil, 400, "gruop"},
		{"no JSON", "application/json", strings.NewReader(`{`), nil, 400, ""},
		{"nothing", "application/json", strings.NewReader(``), nil, 400, "empty"},
		{"deep JSON", "application/json", strings.NewReader(deep), nil, 400, ""},
		{"no group", "application/json", strings.NewReader(`{"transaction": {}}`), nil, 400, "group"},
		{"an empty operation", "application/json", strings.NewReader(`{"transaction": {"group": "a", "operations": [{}]}}`), nil, 400, "operation"},
		{"no ID", "application/json", strings.NewReader(`{"transaction": {"group": "a"}}`), nil, 400, "has no ID"},
		{"half an ID", "application/json", strings.NewReader(`{"transaction": {"group": "a", "number": "3"}}`), nil, 400, "session"},
		{"a negative TTL", "application/json", strings.NewReader(`{"transaction": {"group": "a", "operations": [{"put": {"name": "k", "value": "v", "ttl": "-1s"}}]}}`), nil, 400, "TTL"},
		{"too long", "application/json", io.LimitReader(zeros{}, server.LimitMessage+1), nil, 429, ""},
		{"a bomb", "application/json", bomb(), []string{"Content-Encoding", "gzip"}, 429, ""},
		{"another compression", "application/json", strings.NewReader(`{}`), []string{"Content-Encoding", "br"}, 501, ""},
		{"another type", "text/plain", strings.NewReader(`{}`), nil, 415, ""},
		{"no protobuf", "application/proto", strings.NewReader("\xff\xff\xff"), nil, 400, ""},
		{"no deadline", "application/json", strings.NewReader(`{}`), []string{"Connect-Timeout-Ms", "soon"}, 400, ""},
	} {
		status, text := post(t, commit, c.contentType, c.body, c.headers...)
		if status != c.status || !strings.Contains(text, c.word) {
			t.Errorf("%s: %d %s; want %d and %q", c.name, status, text, c.status, c.word)
		}
	}
	for _, body := range []string{`{"group": "a"}`, `{"group": "a", "at": {"latest": false}}`, `{"group": "a", "at": {"at_least": "nonsense"}}`, `{"group": "a", "at": {"latest": true}, "queries": [{}]}`} {
		if status, text := ask(t, base, "Read", body); status != 400 {
			t.Errorf("%s: %d %s", body, status, text)
		}
	}
	if status, text := ask(t, base, "Nothing", `{}`); status != 404 {
		t.Errorf("a call that is not there: %d %s", status, text)
	}
	if status, _ := post(t, commit, "application/json", strings.NewReader(`{}`), "X-Big", strings.Repeat("x", server.LimitHeader+4<<10)); status != 431 {
		t.Errorf("large headers: %d", status)
	}
	many := strings.Repeat(`{"get":{"name":"k"}},`, server.LimitQueries)
	for extra, want := range map[string]int{"": 200, `,{"get":{"name":"k"}}`: 400} {
		body := `{"group": "a", "at": {"latest": true}, "queries": [` + strings.TrimSuffix(many, ",") + extra + `]}`
		if status, text := ask(t, base, "Read", body); status != want {
			t.Errorf("questions at the limit and %q: %d %.200s", extra, status, text)
		}
	}
	if status, text := ask(t, base, "Status", `{}`); status != 200 {
		t.Errorf("afterwards: %d %s", status, text)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestHealthAndReadiness: alive while it runs; ready until it leaves or the database
// has stopped, and never without saying what an acknowledgement means.
func TestHealthAndReadiness(t *testing.T) {
	db := mainstemtest.Open(t)
	var stopped error
	handler := server.New(db.Backend(), server.Promise(db.Guarantees), server.Health(func() error { return stopped }))
	base := mainstemtest.ServeHandler(t, handler)
	get := func(path string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		return answered(t, r)
	}
	grpc := func() string {
		_, text := post(t, base+"/grpc.health.v1.Health/Check", "application/json", strings.NewReader(`{}`))
		return text
	}
	wantReady := func(ready bool, word string) {
		t.Helper()
		status, text := get("/readyz")
		if want := map[bool]int{true: 200, false: 503}[ready]; status != want || !strings.Contains(text, word) || !strings.Contains(text, `"loses"`) {
			t.Errorf("/readyz: %d %s; want %d and %q", status, text, want, word)
		}
		if health := grpc(); strings.Contains(health, "NOT_SERVING") == ready {
			t.Errorf("the health service says %s", health)
		}
		if status, text := get("/healthz"); status != 200 || text != "ok\n" {
			t.Errorf("/healthz: %d %s", status, text)
		}
	}
	wantReady(true, `"engine"`)
	stopped = mainstem.Errorf(mainstem.Stopped, "the disk failed")
	wantReady(false, "the disk failed")
	stopped = nil
	if err := handler.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	wantReady(false, "going down")
	if status, text := ask(t, base, "Commit", `{"transaction": {"group": "a"}}`); status != 503 || !strings.Contains(text, "going down") {
		t.Errorf("a call while it leaves: %d %s", status, text)
	}
}

// TestStrangersAreGuarded: what Guard says counts for every call.
func TestStrangersAreGuarded(t *testing.T) {
	denied := mainstem.Errorf(mainstem.Denied, "nobody is let in")
	base := mainstemtest.Serve(t, mainstemtest.Open(t).Backend(), server.Guard(func(context.Context, mainstem.Backend) (mainstem.Backend, error) { return nil, denied }))
	for method, body := range map[string]string{"Commit": `{"transaction": {"group": "a"}}`, "Read": `{"group": "a", "at": {"local": true}}`, "Status": `{}`} {
		if status, text := ask(t, base, method, body); status != 403 || !strings.Contains(text, "nobody is let in") {
			t.Errorf("%s: %d %s", method, status, text)
		}
	}
	db, err := remote.Open(base)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	_, commit := db.Backend().Commit(t.Context(), &mainstem.Transaction{Group: "a"})
	_, view := db.Group("a").View(t.Context(), mainstem.Latest())
	var feed error
	for _, err := range db.Changes(t.Context(), mainstem.From{Drain: true}) {
		feed = err
	}
	for what, err := range map[string]error{"Submit": commit, "View": view, "Changes": feed} {
		if mainstem.CodeOf(err) != mainstem.Denied {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestIdleFeedsAreCheap: a thousand feeds that wait, server and client together.
func TestIdleFeedsAreCheap(t *testing.T) {
	const feeds, most = 1000, 100 << 20
	behind := mainstemtest.Open(t)
	db, err := remote.Open(mainstemtest.Serve(t, behind.Backend()))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	put := func(name string) {
		t.Helper()
		if _, err := behind.Group("g").Do(ctx, name, func(tx *mainstem.Txn) error { tx.Set(name, 1); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	before := inUse()
	put("first")
	heard := make(chan error, feeds)
	for range feeds {
		go func() {
			for _, err := range db.Changes(ctx, mainstem.From{}) {
				heard <- err
				if err != nil {
					return
				}
			}
		}()
	}
	for range feeds {
		if err := <-heard; err != nil {
			t.Fatal(err)
		}
	}
	if used := inUse() - before; used > most {
		t.Errorf("%d idle feeds hold %d MiB, more than %d", feeds, used>>20, most>>20)
	} else {
		t.Logf("%d idle feeds hold %d MiB, of server and client", feeds, used>>20)
	}
	put("second") // all are there and hear it
	for range feeds {
		if err := <-heard; err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	for range feeds {
		if err := <-heard; mainstem.CodeOf(err) != mainstem.Cancelled {
			t.Fatal(err)
		}
	}
}

// inUse is what heap and stacks hold, in bytes.
func inUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// TestSlowReaderHoldsAPlaceOnly: a reader that does not read keeps the server from
// nothing, and the server keeps nothing for it.
func TestSlowReaderHoldsAPlaceOnly(t *testing.T) {
	behind := mainstemtest.Open(t)
	base := mainstemtest.Serve(t, behind.Backend())
	slow, err := remote.Open(base)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	value := bytes.Repeat([]byte("v"), 64<<10)
	const count = 200 // 12 MiB, more than the windows of a stream and its connection
	gate, read := make(chan struct{}), make(chan int, 1)
	go func() {
		n := 0
		for batch, err := range slow.Changes(t.Context(), mainstem.From{}) {
			if err != nil {
				t.Error(err)
				break
			}
			<-gate
			if n += len(batch.Changes); n >= count {
				break
			}
		}
		read <- n
	}()
	for i := range count {
		_, err := behind.Group("g").Do(t.Context(), fmt.Sprint(i), func(tx *mainstem.Txn) error { tx.Put("k", value); return nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	fast, err := remote.Open(base)
	if err != nil {
		t.Fatal(err)
	}
	defer fast.Close()
	n := 0
	for batch, err := range fast.Changes(t.Context(), mainstem.From{Drain: true}) {
		if err != nil {
			t.Fatal(err)
		}
		n += len(batch.Changes)
	}
	if n != count {
		t.Errorf("the fast reader got %d changes", n)
	}
	close(gate)
	if n := <-read; n != count {
		t.Errorf("the slow reader got %d changes", n)
	}
}
