package jetstream_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
	sinks "github.com/mainstemdb/mainstem/pg/jetstream"
)

// TestSubject is the subjects as somebody would subscribe to them.
func TestSubject(t *testing.T) {
	for stream, want := range map[string]string{
		"order/17":  "shop.order.17",
		"a.b":       "shop.a%2Eb",
		"a/b c":     "shop.a.b%20c",
		"/":         "shop.%.%",
		"a//b":      "shop.a.%.b",
		"*/>":       "shop.%2A.%3E",
		"100%":      "shop.100%25",
		"%":         "shop.%25",
		"größe":     "shop.gr%C3%B6%C3%9Fe",
		"a\r\nb\t":  "shop.a%0D%0Ab%09",
		"$JS.x{}|~": "shop.$JS%2Ex{}|~",
	} {
		if got := sinks.Subject("shop", stream); got != want {
			t.Errorf("stream %q is on %s, want %s", stream, got, want)
		}
	}
}

// FuzzSubject: different streams have different subjects, each of which a publisher
// may name.
func FuzzSubject(f *testing.F) {
	f.Add("a/b", "a.b")
	f.Add("/", "%")
	f.Fuzz(func(t *testing.T, a, b string) {
		if a == "" || b == "" || a == b {
			return
		}
		one, other := sinks.Subject("p", a), sinks.Subject("p", b)
		if one == other {
			t.Fatalf("streams %q and %q are both on %s", a, b, one)
		}
		for token := range strings.SplitSeq(one, ".") {
			if token == "" || strings.ContainsAny(token, "*> \t\r\n\x00") || !utf8.ValidString(token) {
				t.Fatalf("stream %q is on %q", a, one)
			}
		}
	})
}

// TestNames: every name that a stream can have, and everything that is said of an
// event, comes through a real server.
func TestNames(t *testing.T) {
	b := newBroker(t)
	s := b.stream(time.Minute, nil)
	long := func(s string) string { return strings.Repeat(s, mainstem.LimitName/len(s)) }
	odd := "a \r\nb: %41\u2028é"
	names := []string{"order/17", "a.b", "*", ">", "/", odd, long("/"), long("é"), long("\x01"), long("x")}
	var events []pg.Event
	for i, name := range names {
		events = append(events, pg.Event{
			Position: mainstem.Position(i + 1), Stream: name, Event: mainstem.Event{Type: odd, Data: []byte("1")}, Made: time.Unix(1, 0),
			Meta: mainstem.Meta{Actor: odd, Request: long("é"), Trace: "t"},
		})
	}
	deliver(t, b.sink(b.connect(b.addr()), nil), events, 0)
	stored(t, s).Judge(t, names, 1)
}

// TestConfig: what cannot work is refused before anything is sent.
func TestConfig(t *testing.T) {
	b := newBroker(t)
	good := sinks.Config{Conn: b.connect(b.addr()), Stream: "EVENTS", Prefix: "shop.eu", Source: "s1"}
	if _, err := sinks.New(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*sinks.Config){
		"no connection":      func(c *sinks.Config) { c.Conn = nil },
		"no stream":          func(c *sinks.Config) { c.Stream = "" },
		"no source":          func(c *sinks.Config) { c.Source = "" },
		"no prefix":          func(c *sinks.Config) { c.Prefix = "" },
		"a wildcard":         func(c *sinks.Config) { c.Prefix = "shop.>" },
		"an empty token":     func(c *sinks.Config) { c.Prefix = "shop." },
		"the server's own":   func(c *sinks.Config) { c.Prefix = "$JS.x" },
		"a negative timeout": func(c *sinks.Config) { c.Timeout = -1 },
	} {
		c := good
		change(&c)
		if _, err := sinks.New(c); mainstem.CodeOf(err) != mainstem.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}
