package pg

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/mainstemdb/mainstem"
)

// asked is a request under way, as it is measured and traced. What its caller
// panics over has failed.
type asked struct {
	metrics *Metrics
	span    trace.Span
	began   time.Time
	outcome string
	own     bool // what it ends with is its function's own error
	open    bool // its claim stays, for somebody to say what became of it
	err     error
}

func ask(ctx context.Context, m *Metrics, span, key string) (context.Context, *asked) {
	a := &asked{metrics: m, outcome: outcomeFailed, began: time.Now()}
	ctx, a.span = tracer.Start(ctx, span)
	if a.span.IsRecording() {
		a.span.SetAttributes(attribute.String(attrKey, key))
	}
	return ctx, a
}

// noting notes that the error of a request's function is its own.
func (a *asked) noting(fn func(ctx context.Context) ([]byte, error)) func(ctx context.Context) ([]byte, error) {
	return func(ctx context.Context) ([]byte, error) {
		body, err := fn(ctx)
		a.own = err != nil && !errors.As(err, new(refusal))
		return body, err
	}
}

// again counts a transaction that is run once more.
func (a *asked) again(code mainstem.Code) {
	if a.metrics != nil {
		a.metrics.requestRepeats.WithLabelValues(code.String()).Inc()
	}
	a.span.AddEvent("again", trace.WithAttributes(attribute.String(attrOutcome, code.String())))
}

// with notes what the request came to, and passes it on.
func (a *asked) with(reply Reply, err error) (Reply, error) {
	code := mainstem.CodeOf(err)
	a.err = err
	switch {
	case a.own, err != nil && code == 0:
		a.outcome = outcomeFailed
	case a.open, errors.Is(err, errClaimed):
		a.outcome = outcomeClaimed
	case err != nil:
		a.outcome = code.String()
	case reply.Replayed:
		a.outcome = outcomeReplayed
	case reply.Refused:
		a.outcome = outcomeRefused
	default:
		a.outcome = outcomeDone
	}
	return reply, err
}

func (a *asked) end() {
	if m := a.metrics; m != nil {
		m.requests.WithLabelValues(a.outcome).Inc()
		m.requestSeconds.WithLabelValues(a.outcome).Observe(time.Since(a.began).Seconds())
	}
	endSpan(a.span, a.outcome, a.err)
}

// added is an append under way. Its span is the one that deliveries link to.
type added struct {
	metrics *Metrics
	events  []mainstem.Event
	span    trace.Span
}

func adding(ctx context.Context, tx Tx, stream string, events []mainstem.Event) (context.Context, *added) {
	ctx, span := spanOf(ctx, stream, len(events))
	return ctx, &added{metricsOf(tx), events, span}
}

// end counts it, and passes its error on.
func (a *added) end(err error) error {
	outcome := outcomeDone
	if err != nil {
		outcome = mainstem.CodeOf(err).String()
	}
	defer endSpan(a.span, outcome, err)
	switch m := a.metrics; {
	case m == nil:
	case err != nil:
		m.appendErrors.WithLabelValues(outcome).Inc()
	default:
		size := 0
		for _, e := range a.events {
			size += len(e.Type) + len(e.Data)
		}
		m.appendedEvents.Add(float64(len(a.events)))
		m.appendedBytes.Add(float64(size))
	}
	return err
}

// drained measures a transaction that has numbered something.
func (m *Metrics) drained(ctx context.Context, began time.Time, last mainstem.Position, n int64) {
	if m != nil {
		m.numbered.Add(float64(n))
		m.drainEvents.Observe(float64(n))
		m.drainSeconds.Observe(time.Since(began).Seconds())
	}
	spanNumbered(ctx, began, last, n)
}

// relayClock adds up how long a relay is in which state.
type relayClock struct {
	metrics *Metrics
	since   time.Time
}

func (c *relayClock) spent(state string) {
	now := time.Now()
	if c.metrics != nil {
		c.metrics.relaySeconds.WithLabelValues(state).Add(now.Sub(c.since).Seconds())
	}
	c.since = now
}

// given is one call of a consumer's function.
type given struct {
	metrics  *Metrics
	consumer string
	events   []Event
	span     trace.Span
	began    time.Time
}

func (d *delivery) give(ctx context.Context, events []Event) (context.Context, *given) {
	g := &given{metrics: d.db.Metrics, consumer: d.Name, events: events, began: time.Now()}
	ctx, g.span = spanDelivery(ctx, d.Name, events)
	return ctx, g
}

func (g *given) end(err error) {
	outcome := deliveryTaken
	if err != nil {
		if outcome = deliveryFailed; ofTheWay(err) {
			outcome = deliveryAgain
		}
	}
	defer endSpan(g.span, outcome, err)
	m := g.metrics
	if m == nil {
		return
	}
	now := time.Now()
	m.deliveries.WithLabelValues(g.consumer, outcome).Inc()
	m.deliveryEvents.WithLabelValues(g.consumer).Observe(float64(len(g.events)))
	m.deliverySeconds.WithLabelValues(g.consumer).Observe(now.Sub(g.began).Seconds())
	if err != nil {
		return
	}
	m.delivered.WithLabelValues(g.consumer).Add(float64(len(g.events)))
	delay := m.deliveryDelay.WithLabelValues(g.consumer)
	for _, e := range g.events {
		delay.Observe(max(0, now.Sub(e.Made).Seconds()))
	}
}

func (m *Metrics) hasParked(consumer string) {
	if m != nil {
		m.parked.WithLabelValues(consumer).Inc()
	}
}

func (m *Metrics) cleaned(keys int64) {
	if m != nil {
		m.keysDeleted.Add(float64(keys))
	}
}

func (m *Metrics) swept(tables int) {
	if m != nil {
		m.tablesEmptied.Add(float64(tables))
	}
}

func kindOf(lease string) string {
	switch {
	case lease == relayLease:
		return kindRelay
	case strings.HasPrefix(lease, cursorLease("")):
		return kindConsumer
	}
	return kindOther
}

func (m *Metrics) acquired(lease string) {
	if m != nil {
		m.leases.WithLabelValues(kindOf(lease)).Inc()
	}
}

// renewed counts what became of a renewal. A context that its caller cancelled has
// lost nothing; one whose deadline has passed was too late.
func (m *Metrics) renewed(ctx context.Context, lease string, err error, last bool) {
	if m == nil || err == nil || errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	m.renewalErrors.WithLabelValues(kindOf(lease)).Inc()
	if last {
		m.leasesLost.WithLabelValues(kindOf(lease)).Inc()
	}
}

// refused counts what a higher token refused.
func (m *Metrics) refused(resource string, err error) {
	if m != nil && mainstem.CodeOf(err) == mainstem.Fenced {
		m.fenced.WithLabelValues(kindOf(resource)).Inc()
	}
}

// read counts a read of a session, by who served it.
func (m *Metrics) read(outcome string) {
	if m != nil {
		m.reads.WithLabelValues(outcome).Inc()
	}
}

// unread is why a read was not served.
func unread(err error) string {
	if mainstem.CodeOf(err) == mainstem.HistoryLost {
		return readRefused
	}
	return readFailed
}

func (m *Metrics) waited(since time.Time) {
	if m != nil {
		m.readWait.Observe(time.Since(since).Seconds())
	}
}

func (m *Metrics) passed(reason string) {
	if m != nil {
		m.passedOver.WithLabelValues(reason).Inc()
	}
}
