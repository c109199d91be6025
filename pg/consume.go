package pg

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
)

// Consumer takes events, in order, at least once.
type Consumer struct {
	// Name is the name of the cursor, which is durable: at most LimitConsumer bytes.
	Name string
	// Deliver takes a batch. If it returns nil, the cursor moves behind the batch.
	// An error that is Unavailable, Overloaded or otherwise retryable is the way's,
	// not the event's: the whole batch is tried again, after pauses that grow to five
	// seconds, for as long as it takes; so remember within a batch what was taken, or
	// take few at a time (Max), where the way often fails half-way. After any other, its events are given one by one, each at most Attempts times; one
	// that is never taken is parked, and with it what comes later in its stream.
	//
	// It may be called again with events that it has taken: after a crash, after
	// an error, and when a paused process goes on while another has taken over.
	// What must happen once goes by the event's position.
	Deliver func(ctx context.Context, events []Event) error
	// Max is the most events in a batch; 0 means LimitEvents.
	Max int
	// Attempts is how often one event is given; 0 means DefaultAttempts.
	Attempts int
	// FromEnd makes a new cursor begin after the newest event; otherwise it begins
	// at the oldest that is kept.
	FromEnd bool

	ready func(ctx context.Context) error // looks whether there is where to deliver to
}

// Bounds and defaults of a Consumer.
const (
	LimitConsumer   = 256
	DefaultAttempts = 5
	LimitAttempts   = 1000
)

func (c *Consumer) check() error {
	if err := mainstem.CheckName("consumer", c.Name); err != nil {
		return err
	}
	if c.Max == 0 {
		c.Max = LimitEvents
	}
	if c.Attempts == 0 {
		c.Attempts = DefaultAttempts
	}
	switch {
	case len(c.Name) > LimitConsumer:
		return mainstem.Errorf(mainstem.TooLarge, "consumer name of %d bytes; the limit is %d", len(c.Name), LimitConsumer)
	case c.Deliver == nil:
		return mainstem.Errorf(mainstem.Invalid, "consumer %s has no function", c.Name)
	case c.Max < 1 || c.Max > LimitEvents:
		return mainstem.Errorf(mainstem.Invalid, "consumer %s takes %d events at once; between 1 and %d are possible", c.Name, c.Max, LimitEvents)
	case c.Attempts < 1 || c.Attempts > LimitAttempts:
		return mainstem.Errorf(mainstem.Invalid, "consumer %s is given an event %d times; between 1 and %d are possible", c.Name, c.Attempts, LimitAttempts)
	}
	return nil
}

// Consume gives events to a consumer for as long as no other pod does under its
// name. It returns when ctx ends, with nil, and before that only if it cannot
// work at all: because the cursor was deleted, or events behind it were. Where a
// failover lost what it took last, it goes on from where the history went on.
func (r *Relay) Consume(ctx context.Context, c Consumer) error {
	if err := r.check(); err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	if err := r.direct(ctx); err != nil {
		return err
	}
	r.DB.Metrics.ofConsumer(c.Name)
	if r.Listen != nil {
		hearing, stop := context.WithCancel(ctx)
		done := make(chan struct{})
		go func() { defer close(done); r.hear(hearing) }()
		defer func() { stop(); <-done }()
	}
	return r.hold(ctx, cursorLease(c.Name), func(ctx context.Context, token mainstem.FencingToken) error {
		if c.ready != nil {
			if err := c.ready(ctx); err != nil {
				return err
			}
		}
		d := &delivery{Consumer: c, relay: r, db: r.DB, token: token, ask: c.Max}
		return d.run(ctx)
	})
}

func cursorLease(name string) string { return "~cursor/" + name }

// delivery is one consumer at work, under one token.
type delivery struct {
	Consumer
	relay  *Relay
	db     *DB
	token  mainstem.FencingToken
	at     mainstem.Position
	ask    int             // so many events next
	parked map[string]bool // streams of which something is parked
}

// run delivers until ctx ends.
func (d *delivery) run(ctx context.Context) error {
	if err := d.begin(ctx); err != nil {
		return err
	}
	looked := time.Now()
	for {
		heard := d.relay.news.heard()
		if time.Since(looked) > time.Second {
			// Somebody may have decided what becomes of parked events.
			if err := d.redeliver(ctx); err != nil {
				return err
			}
			looked = time.Now()
		}
		n, err := d.next(ctx)
		var lost *ahead
		switch {
		case errors.As(err, &lost):
			err = d.back(ctx, lost.at, err)
		case err == nil && n == 0:
			err = d.idle(ctx, heard)
		}
		if err != nil {
			return err
		}
	}
}

// next delivers the next batch, and says how many events are in it.
func (d *delivery) next(ctx context.Context) (n int, err error) {
	events, err := d.db.Events(ctx, d.at, d.ask)
	if err != nil || len(events) == 0 {
		return 0, err
	}
	// Where events are large the server sends many that do not fit, so fewer are asked for.
	if d.ask = min(d.Max, 2*d.ask); len(events) < d.ask/2 {
		d.ask = min(d.Max, max(len(events), fewEvents))
	}
	return len(events), d.take(ctx, events)
}

// fewEvents fit into LimitEventBytes, however large they are.
const fewEvents = LimitEventBytes / mainstem.LimitValue

// back goes on from the cursor as it is after a failover that lost what this
// consumer took last: the cursor never was ahead of the events that were kept.
func (d *delivery) back(ctx context.Context, lost mainstem.Position, why error) error {
	if err := d.begin(ctx); err != nil {
		return err
	}
	if d.at >= lost {
		return why // the cursor is there too, and somebody has put it there
	}
	d.relay.logger().WarnContext(ctx, "a consumer took events that a failover lost", "consumer", d.Name, "position", d.at, "err", why)
	return nil
}

// idle waits until something was numbered. With a session somebody tells;
// without, and in case the session broke, it asks.
func (d *delivery) idle(ctx context.Context, heard <-chan struct{}) error {
	pause := d.relay.poll()
	if d.relay.Listen != nil {
		pause = max(pause, time.Second)
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-heard:
	case <-timer.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// begin shows the token first, so that whoever had the cursor before is refused
// from then on, and then reads where the cursor stands.
func (d *delivery) begin(ctx context.Context) error {
	err := d.db.atOnce(ctx, "beginning consumer "+d.Name, func(b *pgx.Batch) {
		b.Queue(d.db.sql("SELECT $S.fence($1::text, $2::bigint)"), cursorLease(d.Name), int64(d.token))
		b.Queue(d.db.sql("SELECT $S.subscribe($1::text, $2::boolean)"), d.Name, d.FromEnd).
			QueryRow(func(row pgx.Row) error { return row.Scan(&d.at) })
	})
	if err != nil {
		return err
	}
	return d.redeliver(ctx)
}

// take delivers events in runs, and parks those of streams that wait for somebody.
func (d *delivery) take(ctx context.Context, events []Event) error {
	for len(events) > 0 {
		n := 0
		for n < len(events) && !d.parked[events[n].Stream] {
			n++
		}
		var err error
		if n == 0 {
			n = 1
			err = d.park(ctx, events[0], "an earlier event of this stream is parked", true)
		} else {
			n, err = d.takeRun(ctx, events[:n])
		}
		if err != nil {
			return err
		}
		events = events[n:]
	}
	return nil
}

// takeRun delivers a run whole. Where that fails its events are given one by one,
// up to one whose stream is parked by then. It says how many are done. An error
// that the history is lost ends the consumer.
func (d *delivery) takeRun(ctx context.Context, events []Event) (done int, err error) {
	switch err = d.patiently(ctx, events); {
	case err == nil:
		return len(events), d.advance(ctx, events[len(events)-1].Position)
	case ctx.Err() != nil:
		return 0, context.Cause(ctx)
	case mainstem.CodeOf(err) == mainstem.HistoryLost: // of no event's
		return 0, err
	}
	alone := len(events) == 1 && isOvertime(err)
	for _, e := range events {
		if d.parked[e.Stream] {
			break
		}
		if !alone {
			err = d.repeatedly(ctx, e)
		}
		switch {
		case err == nil:
			err = d.advance(ctx, e.Position)
		case ctx.Err() != nil:
			return done, context.Cause(ctx)
		case mainstem.CodeOf(err) == mainstem.HistoryLost:
			return done, err
		default:
			err = d.park(ctx, e, err.Error(), false)
		}
		if err != nil {
			return done, err
		}
		done++
	}
	return done, nil
}

// repeatedly gives one event at most Attempts times.
func (d *delivery) repeatedly(ctx context.Context, e Event) (err error) {
	pause := 10 * time.Millisecond
	for n := range d.Attempts {
		if n > 0 && !sleep(ctx, pause/2+rand.N(pause)) {
			return context.Cause(ctx)
		}
		pause = min(2*pause, time.Second)
		if err = d.patiently(ctx, []Event{e}); err == nil || isOvertime(err) {
			return err
		}
	}
	return err
}

// patiently delivers, again and again while it is the way that fails. What takes too
// long each time is the events', after Attempts: of several, to be given one by one; of
// one alone, if that has lasted for as long as a transaction may be idle.
func (d *delivery) patiently(ctx context.Context, events []Event) error {
	pause, least := 10*time.Millisecond, time.Duration(0)
	if len(events) == 1 {
		least = d.relay.idle()
	}
	for late := (patience{}); ; {
		began := time.Now()
		err := d.call(ctx, events)
		if err == nil || !ofTheWay(err) {
			return err
		}
		if own := late.over(err, began, d.Attempts, least); own != nil {
			return own
		}
		d.relay.logger().WarnContext(ctx, "a consumer cannot deliver for now",
			"consumer", d.Name, "position", events[0].Position, "trace", events[0].Meta.Trace, "err", err)
		if !sleep(ctx, pause/2+rand.N(pause)) {
			return context.Cause(ctx)
		}
		pause = min(2*pause, 5*time.Second)
	}
}

// ofTheWay tells an error of the way to the effects from one of the events'.
func ofTheWay(err error) bool {
	code := mainstem.CodeOf(err)
	return code.Retryable() || code == mainstem.RetryTransaction
}

// call makes a panic of the consumer's an error of the event's.
func (d *delivery) call(ctx context.Context, events []Event) (err error) {
	ctx, g := d.give(ctx, events)
	defer func() { g.end(err) }()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("consumer %s panicked at position %d: %v", d.Name, events[0].Position, p)
		}
	}()
	return d.Deliver(ctx, events)
}

// errNoCursor says that somebody deleted the cursor.
var errNoCursor = errors.New("the cursor is gone")

// advance moves the cursor; a newer token refuses it.
func (d *delivery) advance(ctx context.Context, to mainstem.Position) error {
	return d.move(ctx, d.db.Pool, to)
}

func (d *delivery) move(ctx context.Context, tx Tx, to mainstem.Position) error {
	var moved *bool
	err := tx.QueryRow(ctx, d.db.sql("SELECT $S.advance($1::text, $2::bigint, $3::bigint)"), d.Name, int64(to), int64(d.token)).Scan(&moved)
	switch {
	case err != nil:
		return fault(err, fmt.Sprintf("the cursor of consumer %s cannot be moved to %d", d.Name, to))
	case moved == nil:
		return mainstem.Errorf(mainstem.Invalid, "consumer %s: %w", d.Name, errNoCursor)
	case !*moved:
		return mainstem.Errorf(mainstem.HistoryLost, "the cursor of consumer %s cannot be moved: %w", d.Name, &ahead{to})
	}
	d.at = to
	return nil
}
