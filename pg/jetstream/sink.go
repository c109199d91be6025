package jetstream

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/cloudevent"
	"github.com/mainstemdb/mainstem/pg"
)

// Config says where events go.
type Config struct {
	// Conn is a connection to the servers; whoever made it closes it.
	Conn *nats.Conn
	// Stream is the name of the JetStream stream. Somebody has made it, with the
	// subjects Prefix + ".>".
	Stream string
	// Prefix is what the subjects begin with: one token or more.
	Prefix string
	// Source names the schema that the events come from, in their IDs.
	Source pg.Source
	// Timeout is how long the server may take for one answer; 0 means
	// DefaultTimeout.
	Timeout time.Duration
}

// DefaultTimeout is how long the server may take for one answer unless chosen.
const DefaultTimeout = 10 * time.Second

// LimitPlaces is of how many subjects a sink remembers the newest message. Of any
// other it is looked up, which costs two more round trips.
const LimitPlaces = 100_000

// Sink is a JetStream stream, as its publisher sees it.
type Sink struct {
	config Config
	js     jetstream.JetStream

	mu     sync.Mutex // one delivery at a time
	stream jetstream.Stream
	places map[string]place // by subject
}

// place is the newest message of a subject.
type place struct {
	sequence uint64
	position mainstem.Position // 0 if the message is not of this source
}

// New checks the configuration and makes a sink, without asking the server.
func New(c Config) (*Sink, error) {
	if err := c.Source.Check(); err != nil {
		return nil, err
	}
	if err := checkPrefix(c.Prefix); err != nil {
		return nil, err
	}
	switch {
	case c.Conn == nil:
		return nil, mainstem.Errorf(mainstem.Invalid, "the sink has no connection to NATS")
	case c.Stream == "":
		return nil, mainstem.Errorf(mainstem.Invalid, "the sink has no name of a JetStream stream")
	case c.Timeout < 0:
		return nil, mainstem.Errorf(mainstem.Invalid, "a sink with a timeout of %s", c.Timeout)
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	js, err := jetstream.New(c.Conn, jetstream.WithPublishAsyncTimeout(c.Timeout), jetstream.WithDefaultTimeout(c.Timeout))
	if err != nil {
		return nil, mainstem.Errorf(mainstem.Invalid, "JetStream cannot be used on this connection: %w", err)
	}
	return &Sink{config: c, js: js, places: map[string]place{}}, nil
}

// Deliver publishes events, and is what pg.Consumer.Deliver asks for. It returns
// nil when every one of them is in the JetStream stream.
func (s *Sink) Deliver(ctx context.Context, events []pg.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.places) > LimitPlaces {
		clear(s.places) // they only save looking
	}
	rows := s.rows(events)
	for len(rows) > 0 {
		way, own := s.wave(ctx, rows)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case way != nil:
			return way
		case own != nil:
			return own
		}
		rows = left(rows, s.places)
	}
	return nil
}

// row is the events of one subject that are not known to be there.
type row struct {
	subject string
	events  []pg.Event
	refused bool // the server has refused the first since the subject was looked at
}

func (s *Sink) rows(events []pg.Event) (rows []*row) {
	of := map[string]*row{}
	for _, e := range events {
		r := of[e.Stream]
		if r == nil {
			r = &row{subject: Subject(s.config.Prefix, e.Stream)}
			of[e.Stream], rows = r, append(rows, r)
		}
		r.events = append(r.events, e)
	}
	return left(rows, s.places)
}

// left takes off what is there by now.
func left(rows []*row, places map[string]place) (some []*row) {
	for _, r := range rows {
		for len(r.events) > 0 && r.events[0].Position <= places[r.subject].position {
			r.events = r.events[1:]
		}
		if len(r.events) > 0 {
			some = append(some, r)
		}
	}
	return some
}

// wave publishes the first event of every row and waits for all answers, so that
// no row is left with an answer that nobody reads.
func (s *Sink) wave(ctx context.Context, rows []*row) (way, own error) {
	answers := make([]jetstream.PubAckFuture, len(rows))
	failed := func(r *row, err error) {
		err = judge(r, err)
		if mainstem.CodeOf(err) == mainstem.TooLarge {
			own = err
		} else if err != nil {
			way = err
		}
	}
	for i, r := range rows {
		var err error
		if answers[i], err = s.js.PublishMsgAsync(s.message(r)); err != nil {
			failed(r, err)
		}
	}
	for i, r := range rows {
		if answers[i] == nil {
			continue
		}
		select {
		case ack := <-answers[i].Ok():
			s.places[r.subject] = place{ack.Sequence, r.events[0].Position}
			r.refused = false
		case err := <-answers[i].Err():
			if outOfPlace(err) && !r.refused {
				r.refused, err = true, s.look(ctx, r.subject)
			}
			if err != nil {
				failed(r, err)
			}
		case <-ctx.Done():
			return context.Cause(ctx), nil
		}
	}
	return way, own
}

// message is the first event of a row. A subject that is not remembered is expected
// to be empty: most streams are new when they are met.
func (s *Sink) message(r *row) *nats.Msg {
	e := r.events[0]
	m := nats.NewMsg(r.subject)
	m.Data = e.Data
	for _, a := range cloudevent.Attributes(s.config.Source, e) {
		m.Header.Set(header+a.Name, cloudevent.Escape(a.Value, visible))
	}
	m.Header.Set(jetstream.MsgIDHeader, s.config.Source.ID(e.Position))
	m.Header.Set(jetstream.ExpectedStreamHeader, s.config.Stream)
	m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, uintText(s.places[r.subject].sequence))
	return m
}
