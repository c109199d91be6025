package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/outbox"
	"github.com/mainstemdb/mainstem/internal/proxy"
	"github.com/mainstemdb/mainstem/pg"
	"github.com/mainstemdb/mainstem/pg/kafka"
)

// isProduce recognises a request to produce: its key is 0, after the four bytes of
// its size.
func isProduce(sent []byte) bool {
	return len(sent) > 8 && sent[4] == 0 && sent[5] == 0 && strings.Contains(string(sent), "ce_id")
}

// TestEndToEnd: from Append to a broker that loses what it is told, loses its
// answers, goes, and comes back: nothing is lost, each stream is in order in one
// partition, and while the producer's session lasts nothing is there twice.
func TestEndToEnd(t *testing.T) {
	o, b := outbox.Open(t), newBroker(t, nil)
	p, over := b.proxy()
	var sent atomic.Int64
	p.Lose(func(message []byte) proxy.Loss {
		if !isProduce(message) {
			return proxy.Keep
		}
		switch n := sent.Add(1); {
		case n%3 == 0:
			return proxy.LoseAnswer
		case n%5 == 0:
			return proxy.LoseIt
		}
		return proxy.Keep
	})
	sink := b.sink(func(c *kafka.Config) { c.Options = append(impatient(), over) })
	o.Consume(pg.Consumer{Name: "kafka", Deliver: sink.Deliver, Max: 10})
	streams := o.Fill(5, 8)
	outbox.Eventually(t, "some are delivered", func() bool { return o.At("kafka") > 10 })
	b.cluster.Close()
	for i := range 8 {
		o.Append("late", fmt.Sprint(i+1))
	}
	b.up()
	o.Done("kafka", 48)
	if again := b.stored(48).Judge(t, append(streams, "late"), 8); again > 0 || len(o.Parked("kafka")) > 0 || sent.Load() < 10 {
		t.Errorf("%d events are there again after %d requests, parked are %q", again, sent.Load(), o.Parked("kafka"))
	}
}

// impatient keeps a client from waiting long for a broker that is back.
func impatient() []kgo.Opt {
	soon := func(int) time.Duration { return 20 * time.Millisecond }
	return []kgo.Opt{kgo.RetryBackoffFn(soon), kgo.MetadataMinAge(20 * time.Millisecond)}
}

// TestLate: a broker that answers when nobody waits any more has what it took twice,
// under the same IDs, and nothing is lost or out of order.
func TestLate(t *testing.T) {
	o, b := outbox.Open(t), newBroker(t, nil)
	wake := make(chan struct{})
	var late atomic.Int64
	b.cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		if late.Add(1) == 3 {
			b.cluster.SleepControl(func() { <-wake })
		}
		return nil, nil, false
	})
	sink := b.sink(func(c *kafka.Config) {
		c.Timeout, c.Options = 500*time.Millisecond, impatient()
	})
	o.Consume(pg.Consumer{Name: "kafka", Deliver: sink.Deliver, Max: 10})
	streams := o.Fill(3, 5)
	outbox.Eventually(t, "it is missed", func() bool { return o.Said.Count("no answer of the brokers") > 0 })
	close(wake)
	o.Done("kafka", 15)
	again := b.stored(15).Judge(t, streams, 5)
	t.Logf("%d events are there again", again)
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

func deliver(t *testing.T, sink *kafka.Sink, events []pg.Event, want mainstem.Code) {
	t.Helper()
	err := sink.Deliver(t.Context(), events)
	if mainstem.CodeOf(err) != want || (err == nil) != (want == 0) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

// TestTooLarge: an event that the topic does not take is parked with its stream, and
// nothing else is, nor is anything there twice.
func TestTooLarge(t *testing.T) {
	o, b := outbox.Open(t), newBroker(t, map[string]string{"message.max.bytes": "20000"})
	sink := b.sink(func(c *kafka.Config) { c.Options = []kgo.Opt{kgo.ProducerBatchCompression(kgo.NoCompression())} })
	others := []string{"b", "c", "d", "e"} // in partitions of a, and in others
	for _, name := range others {
		o.Append(name, "1")
	}
	o.Append("a", "1", strings.Repeat("x", 30000), "3")
	for i := range 10 {
		for _, name := range others {
			o.Append(name, fmt.Sprint(i+2)+strings.Repeat(" ", 300))
		}
	}
	o.Consume(pg.Consumer{Name: "kafka", Deliver: sink.Deliver, Attempts: 1})
	o.Done("kafka", 47)
	var parked []string
	for _, p := range o.Parked("kafka") {
		parked = append(parked, p[:min(3, len(p))])
	}
	if want := []string{"a x", "a 3"}; !slices.Equal(parked, want) {
		t.Errorf("parked are %q, want %q", parked, want)
	}
	next := map[string]int{}
	for _, a := range b.stored(45).List() {
		if next[a.Stream]++; strings.TrimSpace(a.Data) != fmt.Sprint(next[a.Stream]) {
			t.Errorf("stream %s: %.3s came where %d was next", a.Stream, a.Data, next[a.Stream])
		}
	}
	for _, name := range others {
		if next[name] != 11 || next["a"] != 1 {
			t.Errorf("of %s came %d events, of a %d", name, next[name], next["a"])
		}
	}
}

// TestFaults: what a broker says of one record is the event's, and all else is not.
func TestFaults(t *testing.T) {
	b := newBroker(t, nil)
	for _, c := range []struct {
		fault *kerr.Error
		want  mainstem.Code
	}{
		{kerr.MessageTooLarge, mainstem.TooLarge},
		{kerr.RecordListTooLarge, mainstem.TooLarge},
		{kerr.InvalidRecord, mainstem.Invalid},
		{kerr.InvalidTimestamp, mainstem.Invalid},
		{kerr.TopicAuthorizationFailed, mainstem.Unavailable},
		{kerr.ClusterAuthorizationFailed, mainstem.Unavailable},
		{kerr.InvalidRequiredAcks, mainstem.Unavailable},
		{kerr.NotEnoughReplicas, 0},
		{kerr.NotEnoughReplicasAfterAppend, 0},
		{kerr.NotLeaderForPartition, 0},
	} {
		sink := b.sink(func(c *kafka.Config) {
			c.Options = impatient()
		})
		before := b.ends()
		b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: c.fault})
		err := sink.Deliver(t.Context(), batch("a1", "a2"))
		if mainstem.CodeOf(err) != c.want || (err == nil) != (c.want == 0) {
			t.Errorf("after %s: %v", c.fault.Message, err)
		}
		if n, want := b.ends()-before, 0; err != nil && n != want || err == nil && n != 2 {
			t.Errorf("after %s there are %d records", c.fault.Message, n)
		}
	}
}

// TestRefusedInOrder: when a batch of a partition is refused, nothing behind it in
// its streams is there, however many batches there would be.
func TestRefusedInOrder(t *testing.T) {
	b := newBroker(t, nil)
	sink := b.sink(nil)
	deliver(t, sink, batch("a0"), 0)
	events := batch(slices.Repeat([]string{"a" + strings.Repeat("x", 200<<10)}, 12)...)
	for i := range events {
		events[i].Position += 1000
	}
	b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.MessageTooLarge})
	deliver(t, sink, events, mainstem.TooLarge)
	if n := b.ends(); n != 1 {
		t.Errorf("%d events are behind one that was refused", n-1)
	}
	b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.MessageTooLarge, When: after(2)})
	deliver(t, sink, events, mainstem.TooLarge)
	some := b.ends()
	deliver(t, sink, events, 0)
	if n := b.ends(); n != 13 || some < 3 || some > 8 {
		t.Errorf("first %d events were there, then %d", some-1, n-1)
	}
}

// after is true of requests after the first so many.
func after(n int64) func(kmsg.Request) bool {
	var seen atomic.Int64
	return func(kmsg.Request) bool { return seen.Add(1) > n }
}

// TestWay: a topic that does not exist, a broker that is not there, and a consumer
// that ends are no event's fault, and hold nobody up.
func TestWay(t *testing.T) {
	b := newBroker(t, nil)
	quick := func(c *kafka.Config) {
		c.Timeout, c.Options = 300*time.Millisecond, impatient()
	}
	deliver(t, b.sink(func(c *kafka.Config) { quick(c); c.Topic = "nowhere" }), batch("a1"), mainstem.Unavailable)
	sink := b.sink(quick)
	deliver(t, sink, batch("a1"), 0)
	patient := b.sink(nil)
	b.cluster.Close()
	deliver(t, sink, batch("a1", "a2"), mainstem.Unavailable)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- patient.Deliver(ctx, batch("a1")) }()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	b.up()
	deliver(t, sink, batch("a1", "a2"), 0)
	if got := b.stored(2).Judge(t, []string{"a"}, 2); got > 1 {
		t.Errorf("%d events are there again", got)
	}
}

// TestConfig: what cannot work, and what would weaken the promise, is refused.
func TestConfig(t *testing.T) {
	good := kafka.Config{Brokers: []string{"127.0.0.1:1"}, Topic: "events", Source: "s1", Timeout: kafka.MinTimeout}
	sink, err := kafka.New(good)
	if err != nil {
		t.Fatal(err)
	}
	sink.Close()
	for name, c := range map[string]struct {
		change func(*kafka.Config)
		want   mainstem.Code
	}{
		"no brokers":      {func(c *kafka.Config) { c.Brokers = nil }, mainstem.Invalid},
		"no topic":        {func(c *kafka.Config) { c.Topic = "" }, mainstem.Invalid},
		"no source":       {func(c *kafka.Config) { c.Source = "a.b" }, mainstem.Invalid},
		"a short timeout": {func(c *kafka.Config) { c.Timeout-- }, mainstem.Invalid},
		"not idempotent":  {func(c *kafka.Config) { c.Options = []kgo.Opt{kgo.DisableIdempotentWrite()} }, mainstem.Weak},
		"transactions":    {func(c *kafka.Config) { c.Options = []kgo.Opt{kgo.TransactionalID("x")} }, mainstem.Invalid},
	} {
		config := good
		c.change(&config)
		if _, err := kafka.New(config); mainstem.CodeOf(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}
