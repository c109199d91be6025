package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/mainstemtest"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
	"github.com/mainstemdb/mainstem/server"
)

// line is what a test looks at of a line of a feed.
type line struct {
	Group, Token string
	Effects      []struct{ Kind, Name, Value string }
	Error        struct{ Code, Message, Advice string }
}

func readLine(t *testing.T, text string) (l line) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &l); err != nil {
		t.Fatalf("%q is no line of a feed: %v", text, err)
	}
	return l
}

func put(t *testing.T, db *mainstem.DB, group, name, value string) {
	t.Helper()
	_, err := db.Group(group).Do(t.Context(), group+"-"+name, func(tx *mainstem.Txn) error { tx.Put(name, []byte(value)); return nil })
	if err != nil {
		t.Fatal(err)
	}
}

// feed is GET /feed with this query.
func feed(t *testing.T, base, query string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/feed?"+query, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestFeedAsLines: each change is a line of the contract's JSON, the last of a
// batch has the token, and a reader that gives it back misses and repeats nothing.
func TestFeedAsLines(t *testing.T) {
	db := mainstemtest.Open(t)
	base := mainstemtest.Serve(t, db.Backend())
	put(t, db.DB, "a", "k1", "\"quoted\" & <é>")
	put(t, db.DB, "b", "k2", "\xff")
	put(t, db.DB, "a", "other", "3")
	for _, c := range []struct{ query, names string }{
		{"", "k1 k2 other"}, {"group=a", "k1 other"}, {"group=a&group=b&prefix=k", "k1 k2"}, {"prefix=k2&follow=false", "k2"},
	} {
		status, text := answered(t, feed(t, base, c.query))
		var names []string
		for one := range strings.Lines(text) {
			for _, e := range readLine(t, one).Effects {
				names = append(names, e.Name)
			}
		}
		if got := strings.Join(names, " "); status != http.StatusOK || got != c.names {
			t.Errorf("%q: %d, %s in\n%s", c.query, status, got, text)
		}
	}
	_, text := answered(t, feed(t, base, ""))
	all := strings.Split(strings.TrimSpace(text), "\n")
	token := readLine(t, all[len(all)-1]).Token
	for _, one := range all {
		var fields map[string]any
		if err := json.Unmarshal([]byte(one), &fields); err != nil {
			t.Fatal(err)
		}
		delete(fields, "token")
		bare, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		if err := protojson.Unmarshal(bare, new(pb.Change)); err != nil {
			t.Errorf("%s is no Change of the contract: %v", bare, err)
		}
	}
	if status, text := answered(t, feed(t, base, "after="+url.QueryEscape(token))); status != http.StatusOK || strings.Contains(text, "group") {
		t.Errorf("after the last token: %d %s", status, text)
	}
	put(t, db.DB, "a", "new", "4")
	status, text := answered(t, feed(t, base, "after="+url.QueryEscape(token)))
	if l := readLine(t, text); status != http.StatusOK || len(l.Effects) != 1 || l.Effects[0].Name != "new" {
		t.Errorf("after one more: %d %s", status, text)
	}
}

// TestFeedFollows: what commits is a line at once, and a server that leaves says so
// in the last one.
func TestFeedFollows(t *testing.T) {
	db := mainstemtest.Open(t)
	handler := server.New(db.Backend())
	base := mainstemtest.ServeHandler(t, handler)
	put(t, db.DB, "a", "first", "1")
	response, err := plain.Do(feed(t, base, "follow=true"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if kind := response.Header.Get("Content-Type"); kind != "application/x-ndjson" {
		t.Errorf("content type %q", kind)
	}
	in := bufio.NewScanner(response.Body)
	for i, name := range []string{"first", "second", "third"} {
		if i > 0 {
			put(t, db.DB, "a", name, "v")
		}
		if !in.Scan() {
			t.Fatalf("no line for %s: %v", name, in.Err())
		}
		if l := readLine(t, in.Text()); l.Token == "" || len(l.Effects) != 1 || l.Effects[0].Name != name {
			t.Errorf("for %s came %s", name, in.Text())
		}
	}
	if err := handler.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !in.Scan() {
		t.Fatalf("the feed ended without a word: %v", in.Err())
	}
	if l := readLine(t, in.Text()); l.Error.Code != "unavailable" || l.Error.Advice == "" {
		t.Errorf("the last line is %s", in.Text())
	}
	if in.Scan() || in.Err() != nil {
		t.Errorf("after the last line: %q %v", in.Text(), in.Err())
	}
	if status, text := answered(t, feed(t, base, "follow=true")); status != http.StatusServiceUnavailable || !strings.Contains(text, "going down") {
		t.Errorf("a feed of a server that leaves: %d %s", status, text)
	}
}

// TestFeedRefusals: what is wrong has a status and a word about it, before any line.
func TestFeedRefusals(t *testing.T) {
	db, other := mainstemtest.Open(t), mainstemtest.Open(t)
	base := mainstemtest.Serve(t, db.Backend())
	put(t, other.DB, "a", "k", "v")
	_, text := answered(t, feed(t, mainstemtest.Serve(t, other.Backend()), ""))
	foreign := url.QueryEscape(readLine(t, text).Token)
	for _, c := range []struct {
		query  string
		status int
		word   string
	}{
		{"gruop=a", 400, "prefix"},
		{"after=nonsense", 400, "token"},
		{"after=a&after=b", 400, "2 times"},
		{"follow=maybe", 400, "true or false"},
		{"after=" + foreign, 410, "history_lost"},
	} {
		status, text := answered(t, feed(t, base, c.query))
		if status != c.status || !strings.Contains(text, c.word) || !strings.Contains(text, `"advice"`) {
			t.Errorf("%s: %d %s; want %d and %q", c.query, status, text, c.status, c.word)
		}
	}
	denied := mainstem.Errorf(mainstem.Denied, "nobody is let in")
	guarded := mainstemtest.Serve(t, db.Backend(), server.Guard(func(context.Context, mainstem.Backend) (mainstem.Backend, error) { return nil, denied }))
	if status, text := answered(t, feed(t, guarded, "")); status != http.StatusForbidden || !strings.Contains(text, "nobody is let in") {
		t.Errorf("a stranger: %d %s", status, text)
	}
	r := feed(t, base, "follow=true")
	r.Method = http.MethodHead
	if status, text := answered(t, r); status != http.StatusOK || text != "" {
		t.Errorf("HEAD: %d %q", status, text)
	}
	r = feed(t, base, "")
	r.Method = http.MethodPost
	if status, _ := answered(t, r); status != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", status)
	}
}
