package jetstream_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/outbox"
	"github.com/mainstemdb/mainstem/internal/proxy"
	"github.com/mainstemdb/mainstem/pg"
	sinks "github.com/mainstemdb/mainstem/pg/jetstream"
)

// window is the shortest in which a server knows copies.
const window = 100 * time.Millisecond

// TestEndToEnd: from Append into a stream whose server loses what it is told,
// loses its answers, goes, and comes back, while copies are known for a moment only:
// each event is there once, in the order of its stream.
func TestEndToEnd(t *testing.T) {
	o, b := outbox.Open(t), newBroker(t)
	s := b.stream(window, nil)
	p := b.proxy()
	var sent atomic.Int64
	p.Lose(func(message []byte) proxy.Loss {
		if !bytes.Contains(message, []byte("HPUB shop.")) {
			return proxy.Keep
		}
		switch n := sent.Add(1); {
		case n%5 == 0:
			return proxy.LoseAnswer
		case n%7 == 0:
			return proxy.LoseIt
		}
		return proxy.Keep
	})
	sink := b.sink(b.connect(p.Addr()), func(c *sinks.Config) { c.Timeout = 300 * time.Millisecond })
	o.Consume(pg.Consumer{Name: "nats", Deliver: sink.Deliver, Max: 20})
	streams := o.Fill(5, 8)
	outbox.Eventually(t, "some are delivered", func() bool { return o.At("nats") > 10 })
	b.down()
	missed := o.Said.Count("cannot deliver")
	for i := range 8 {
		o.Append("late", fmt.Sprint(i+1))
	}
	outbox.Eventually(t, "it is missed", func() bool { return o.Said.Count("cannot deliver") > missed })
	p.Lose(nil)
	b.up()
	o.Done("nats", 48)
	if again := stored(t, s).Judge(t, append(streams, "late"), 8); again > 0 || len(o.Parked("nats")) > 0 {
		t.Errorf("%d events are there again, parked are %q", again, o.Parked("nats"))
	}
}

// batch is events of streams, named by a letter and a number.
func batch(names ...string) (events []pg.Event) {
	for i, name := range names {
		events = append(events, pg.Event{
			Position: mainstem.Position(i + 1), Stream: name[:1], Event: mainstem.Event{Type: "test.v1", Data: []byte(name[1:])}, Made: time.Unix(1, 0),
		})
	}
	return events
}

// list is what is stored, as letters and numbers.
func list(t *testing.T, s jetstream.Stream) string {
	t.Helper()
	var names []string
	for _, a := range stored(t, s).List() {
		names = append(names, a.Stream+a.Data)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// past waits until the server knows no copies any more, by asking it: a message
// under an ID that was there is accepted again.
func past(t *testing.T, b *broker) {
	t.Helper()
	js, err := jetstream.New(b.connect(b.addr()))
	if err != nil {
		t.Fatal(err)
	}
	id := jetstream.WithMsgID(fmt.Sprint("probe", time.Now().UnixNano()))
	outbox.Eventually(t, "the window is over", func() bool {
		first, err := js.Publish(t.Context(), "probe.x", nil, id)
		return err == nil && !first.Duplicate && first.Sequence%2 == 0
	})
}

// TestOnce: a process that begins anew, one that was paused, and one whose place
// was wrong publish nothing twice, after the window too; and a gap is never passed
// over.
func TestOnce(t *testing.T) {
	b := newBroker(t)
	s := b.stream(window, nil)
	b.probe()
	conn := b.connect(b.addr())
	events := batch("a1", "b1", "a2", "a3", "b2")
	paused := b.sink(conn, nil)
	deliver(t, paused, events[:2], 0)
	deliver(t, b.sink(conn, nil), events, 0)
	past(t, b)
	deliver(t, b.sink(conn, nil), events, 0)      // from the beginning, by one that remembers nothing
	deliver(t, b.sink(conn, nil), events[2:3], 0) // from the middle
	deliver(t, paused, events[2:], 0)             // from before others went on
	if got := list(t, s); got != "a1 a2 a3 b1 b2" {
		t.Errorf("the stream holds %s", got)
	}
	more := batch("a1", "b1", "a2", "a3", "b2", "a4", "c1", "a5")
	deliver(t, paused, more, 0)
	deliver(t, b.sink(conn, nil), more, 0)
	if got := list(t, s); got != "a1 a2 a3 a4 a5 b1 b2 c1" {
		t.Errorf("the stream holds %s", got)
	}
	// Another source on the same subjects, whose positions begin anew, goes on
	// behind what is there.
	other := b.sink(conn, func(c *sinks.Config) { c.Source = "s2" })
	deliver(t, other, batch("a7", "a8"), 0)
	deliver(t, b.sink(conn, func(c *sinks.Config) { c.Source = "s2" }), batch("a7", "a8"), 0)
	if got := list(t, s); got != "a1 a2 a3 a4 a5 a7 a8 b1 b2 c1" {
		t.Errorf("the stream holds %s", got)
	}
}

func deliver(t *testing.T, sink *sinks.Sink, events []pg.Event, want mainstem.Code) {
	t.Helper()
	err := sink.Deliver(t.Context(), events)
	if mainstem.CodeOf(err) != want || (err == nil) != (want == 0) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

// TestWindow: where the stream does not keep the newest message, the window is what
// is left; this is the promise that the documentation makes, and not more.
func TestWindow(t *testing.T) {
	b := newBroker(t)
	s := b.stream(time.Minute, nil)
	conn, events := b.connect(b.addr()), batch("a1", "a2")
	deliver(t, b.sink(conn, nil), events, 0)
	if err := s.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	deliver(t, b.sink(conn, nil), events, 0)
	if got := list(t, s); got != "" {
		t.Errorf("within the window the stream holds %s", got)
	}
}

// TestTooLarge: an event that the server cannot take is parked with its stream, and
// nothing else is.
func TestTooLarge(t *testing.T) {
	o, b := outbox.Open(t), newBroker(t)
	s := b.stream(time.Minute, func(c *jetstream.StreamConfig) { c.MaxMsgSize = 4 << 10 })
	sink := b.sink(b.connect(b.addr()), nil)
	o.Consume(pg.Consumer{Name: "nats", Deliver: sink.Deliver, Attempts: 1})
	large := strings.Repeat("x", 5<<10)
	o.Append("a", "1", large, "3")
	o.Append("b", "1", "2")
	o.Done("nats", 5)
	if parked, want := o.Parked("nats"), []string{"a " + large, "a 3"}; !slices.Equal(parked, want) {
		t.Errorf("parked are %d events", len(parked))
	}
	if got := list(t, s); got != "a1 b1 b2" {
		t.Errorf("the stream holds %s", got)
	}
	if err := o.DB.Discard(t.Context(), "nats", "a", 2); err != nil {
		t.Fatal(err)
	}
	outbox.Eventually(t, "the stream goes on", func() bool { return list(t, s) == "a1 a3 b1 b2" })
}

// TestWay: whatever is wrong with the stream is no event's fault.
func TestWay(t *testing.T) {
	b := newBroker(t)
	conn, events := b.connect(b.addr()), batch("a1")
	short := func(c *sinks.Config) { c.Timeout = 500 * time.Millisecond }
	deliver(t, b.sink(conn, short), events, mainstem.Unavailable) // there is no stream
	s := b.stream(time.Minute, func(c *jetstream.StreamConfig) { c.Name, c.MaxMsgs, c.Discard = "OTHER", 1, jetstream.DiscardNew })
	deliver(t, b.sink(conn, short), events, mainstem.Unavailable) // another has the subjects
	mine := func(c *sinks.Config) { c.Stream = "OTHER" }
	deliver(t, b.sink(conn, mine), batch("a1", "b1"), mainstem.Unavailable) // it is full
	if n := len(stored(t, s).List()); n != 1 {
		t.Errorf("%d events are in a stream of one", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.sink(conn, mine).Deliver(ctx, batch("c1")); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
