package kafka

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/cloudevent"
	"github.com/mainstemdb/mainstem/pg"
)

// Config says where events go.
type Config struct {
	// Brokers are host:port of some brokers, from which the others are learned.
	Brokers []string
	// Topic is where all events go. It exists; nothing here makes it.
	Topic string
	// Source names the schema that the events come from, in their IDs.
	Source pg.Source
	// Timeout is how long the brokers may take for a part of a batch, at least
	// MinTimeout; 0 means DefaultTimeout. After it nobody knows what they have, and
	// it is sent again by a new producer.
	Timeout time.Duration
	// Options are more options of the client, such as TLS and SASL. Those that
	// decide what is promised here are set after them.
	Options []kgo.Opt
}

// Bounds and defaults of a Config.
const (
	DefaultTimeout = time.Minute
	MinTimeout     = 100 * time.Millisecond
)

// Sizes in bytes.
const (
	limitBatch = 1_000_012 // of one partition: what a broker takes unless set otherwise
	limitPart  = limitBatch / 2
	overhead   = 32 // of a record and of each of its headers, at most
)

// Sink is a topic, as its producer sees it. It is for one consumer: it remembers,
// while a batch is not done, which of its events were taken. After Forget make a
// new one.
type Sink struct {
	config Config

	mu     sync.Mutex // one delivery at a time
	client *kgo.Client
	fresh  bool // the client has sent nothing
	taken  map[mainstem.Position]bool
}

// New checks the configuration and makes a sink, without asking a broker.
func New(c Config) (*Sink, error) {
	if err := c.Source.Check(); err != nil {
		return nil, err
	}
	switch {
	case len(c.Brokers) == 0:
		return nil, mainstem.Errorf(mainstem.Invalid, "the sink has no brokers")
	case c.Topic == "":
		return nil, mainstem.Errorf(mainstem.Invalid, "the sink has no topic")
	case c.Timeout != 0 && c.Timeout < MinTimeout:
		return nil, mainstem.Errorf(mainstem.Invalid, "a sink with a timeout of %s; at least %s is possible", c.Timeout, MinTimeout)
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	s := &Sink{config: c, taken: map[mainstem.Position]bool{}}
	if err := s.open(); err != nil {
		return nil, err
	}
	return s, nil
}

// open makes a client, which is a producer of its own. One batch of a partition is
// sent at a time, see parts; so what is refused has nothing of its stream behind it.
func (s *Sink) open() error {
	if s.client != nil {
		return nil
	}
	options := append([]kgo.Opt{}, s.config.Options...)
	client, err := kgo.NewClient(append(options,
		kgo.SeedBrokers(s.config.Brokers...), kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ManualFlushing(),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), kgo.ProducerBatchMaxBytes(limitBatch),
		kgo.MaxBufferedRecords(10*pg.LimitEvents))...)
	if err != nil {
		return mainstem.Errorf(mainstem.Invalid, "a client of Kafka cannot be made with these options: %w", err)
	}
	if off, _ := client.OptValue(kgo.DisableIdempotentWrite).(bool); off {
		client.Close()
		return mainstem.Errorf(mainstem.Weak, "the options disable idempotent writes, without which a record can be there twice in one session")
	}
	if id, _ := client.OptValue(kgo.TransactionalID).(string); id != "" {
		client.Close()
		return mainstem.Errorf(mainstem.Invalid, "the options name the transactional ID %q; a sink begins no transactions", id)
	}
	s.client, s.fresh = client, true
	return nil
}

// Close ends the connections. Nothing is under way once Consume has returned.
func (s *Sink) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop()
}

func (s *Sink) drop() {
	if s.client != nil {
		s.client.Close()
		s.client = nil
	}
}

// Deliver sends events, and is what pg.Consumer.Deliver asks for. It returns nil
// when all of them are acknowledged. An event that was taken before another of its
// batch failed is not sent again with it.
func (s *Sink) Deliver(ctx context.Context, events []pg.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(events) == 0 {
		return nil
	}
	s.forget(events[0].Position)
	last := events[len(events)-1].Position
	for len(events) > 0 {
		if err := s.open(); err != nil {
			return err
		}
		n := s.part(events)
		if err := s.send(ctx, events[:n]); err != nil {
			return err
		}
		events = events[n:]
	}
	s.forget(last + 1)
	return nil
}

// forget drops what lies behind the cursor.
func (s *Sink) forget(before mainstem.Position) {
	for at := range s.taken {
		if at < before {
			delete(s.taken, at)
		}
	}
}

// part is how many events are sent at once: so many that a partition gets one batch
// of them, whichever streams it has. A broker that refuses one batch might take the
// next, and with it later events of the same stream. A client that does not know
// the topic yet begins to send before it has all: so its first part is one event.
func (s *Sink) part(events []pg.Event) (n int) {
	if s.fresh {
		return 1
	}
	for size := 0; n < len(events); n++ {
		size += s.size(events[n])
		if n > 0 && size > limitPart {
			break
		}
	}
	return n
}

// size is more than a record takes.
func (s *Sink) size(e pg.Event) int {
	size := overhead + len(e.Stream) + len(e.Data)
	for _, a := range cloudevent.Attributes(s.config.Source, e) {
		size += overhead + len(a.Name) + len(a.Value)
	}
	return size
}

// send sends a part and waits until the outcome of every record is known, or gives
// up the client, and with it whatever it has under way.
func (s *Sink) send(ctx context.Context, events []pg.Event) error {
	within, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	errs := make([]error, len(events))
	var outcomes sync.WaitGroup
	for i, e := range events {
		if s.taken[e.Position] {
			continue
		}
		outcomes.Add(1)
		s.client.Produce(context.WithoutCancel(ctx), s.record(e), func(_ *kgo.Record, err error) {
			errs[i] = err
			outcomes.Done()
		})
	}
	unknown := s.client.Flush(within)
	if unknown != nil {
		s.drop()
	}
	outcomes.Wait()
	var way, own error
	for i, e := range events {
		switch err := judge(s.config.Source.ID(e.Position), errs[i]); {
		case errs[i] == nil:
			s.taken[e.Position], s.fresh = true, false
		case mainstem.CodeOf(err).Retryable():
			way = err
		default:
			own = err
		}
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case unknown != nil && way != nil:
		return mainstem.Errorf(mainstem.Unavailable, "no answer of the brokers within %s; what was sent may be there: %w", s.config.Timeout, unknown)
	case way != nil:
		return way
	}
	return own
}

// record never has a null value, which would delete the key from a compacted topic.
func (s *Sink) record(e pg.Event) *kgo.Record {
	r := &kgo.Record{Topic: s.config.Topic, Key: []byte(e.Stream), Value: e.Data}
	if r.Value == nil {
		r.Value = []byte{}
	}
	for _, a := range cloudevent.Attributes(s.config.Source, e) {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: "ce_" + a.Name, Value: []byte(a.Value)})
	}
	return r
}

// judge tells what is the event's from what is the way's: only what a broker says
// of the record itself is the event's.
func judge(id string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kerr.MessageTooLarge), errors.Is(err, kerr.RecordListTooLarge):
		return mainstem.Errorf(mainstem.TooLarge, "event %s is too large for the topic: %w", id, err)
	case errors.Is(err, kerr.InvalidRecord), errors.Is(err, kerr.InvalidTimestamp):
		return mainstem.Errorf(mainstem.Invalid, "event %s is not what the topic takes: %w", id, err)
	}
	return mainstem.Errorf(mainstem.Unavailable, "event %s cannot be sent: %w", id, err)
}
