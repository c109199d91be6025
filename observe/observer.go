package observe

import (
	"log/slog"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/mainstemdb/mainstem"
)

// Observer sees the calls of one database. It is a prometheus.Collector: register
// it once. Two in one registry need a label each: see
// prometheus.WrapRegistererWith.
type Observer struct {
	tracer trace.Tracer // nil where traces were not asked for
	lines  *lines       // nil where a log was not asked for

	calls      [kinds]calls
	views      [levels][viewOutcomes]atomic.Uint64
	staleViews [levels]atomic.Uint64
	openViews  atomic.Int64
	// told are, by slot, the highest positions that callers were told of, and
	// heads, by partition, those that are known to be there.
	told, heads [mainstem.Slots]highest

	followers followers
	endings   endings
	written   top
	contended top
	checked   checked
}

// Option refines New. The set is closed.
type Option interface{ apply(*Observer) }

type option func(*Observer)

func (o option) apply(to *Observer) { o(to) }

// Traces makes spans of commits, views and deliveries, and puts the span of a
// commit into its record, as a W3C traceparent in Meta.Trace, unless the caller
// has set a trace of its own. Without it no call is traced.
func Traces(provider trace.TracerProvider) Option {
	return option(func(o *Observer) { o.tracer = provider.Tracer("github.com/mainstemdb/mainstem/observe") })
}

// Log writes a line about every commit that took at least slow, and about
// commits and deliveries whose end needs an operator's eye. A line names position
// and trace, and no name of the user's. At most LogBurst lines come within a
// second; the next one says how many were left out.
func Log(logger *slog.Logger, slow time.Duration) Option {
	return option(func(o *Observer) { o.lines = &lines{logger: logger, slow: slow} })
}

// New makes an Observer whose numbers stand at 0.
func New(opts ...Option) *Observer {
	o := &Observer{}
	for _, opt := range opts {
		opt.apply(o)
	}
	for k := range o.calls {
		o.calls[k].init()
	}
	o.followers.init()
	o.endings.init()
	return o
}

// Backend is b with the Observer before it. See embedded.Through.
func (o *Observer) Backend(b mainstem.Backend) mainstem.Backend { return backend{b, o} }

// backend is a Backend that is observed.
type backend struct {
	mainstem.Backend
	o *Observer
}

// highest is the highest position of those it was told of.
type highest struct{ p atomic.Uint64 }

func (h *highest) raise(p mainstem.Position) {
	for old := h.p.Load(); old < uint64(p) && !h.p.CompareAndSwap(old, uint64(p)); old = h.p.Load() {
	}
}

func (h *highest) get() mainstem.Position { return mainstem.Position(h.p.Load()) }
