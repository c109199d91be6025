package observe

import (
	"context"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/mainstemdb/mainstem"
)

// levels are those of mainstem.Level, and none before them.
const levels = int(mainstem.LevelLocal) + 1

var levelNames = [levels]string{
	"none", mainstem.LevelLatest: "latest", mainstem.LevelAtLeast: "at_least", mainstem.LevelWithin: "within",
	mainstem.LevelAsOf: "as_of", mainstem.LevelAsOfTime: "as_of_time", mainstem.LevelLocal: "local",
}

// What can become of a view that is asked for at a consistency.
const (
	viewServed  = iota
	viewWaited  // for the node to catch up with others
	viewRefused // what it needs is not there: history_lost or trimmed
	viewFailed  // by anything else
	viewOutcomes
)

var viewNames = [viewOutcomes]string{"served", "waited", "refused", "failed"}

func viewOutcome(s mainstem.Snapshot, err error) int {
	switch mainstem.CodeOf(err) {
	case mainstem.HistoryLost, mainstem.Trimmed:
		return viewRefused
	}
	if err != nil {
		return viewFailed
	}
	// A node's view knows. One of a server does not tell: its node counts it.
	if of, ok := s.(interface{ Waited() bool }); ok && of.Waited() {
		return viewWaited
	}
	return viewServed
}

// unseen is the key of contexts whose views are not observed: Gauges looks into the
// database that it tells of.
type unseen struct{}

// View passes it on.
func (b backend) View(ctx context.Context, r mainstem.ViewRequest) (mainstem.Snapshot, error) {
	if ctx.Value(unseen{}) != nil {
		return b.Backend.View(ctx, r)
	}
	o := b.o
	level := int(r.At.Level)
	if level >= levels {
		level = 0
	}
	var span trace.Span
	if o.tracer != nil {
		ctx, span = o.tracer.Start(ctx, "mainstem.view", trace.WithAttributes(
			attribute.String(attrGroup, r.Group), attribute.String(attrConsistency, levelNames[level])))
	}
	// The past is asked for by its position; every other view is to show what the
	// group's callers were told of before.
	told := mainstem.Position(0)
	if r.Group != "" && r.At.Level != mainstem.LevelAsOf && r.At.Level != mainstem.LevelAsOfTime {
		told = o.told[mainstem.SlotOf(r.Group)].get()
	}
	began := o.calls[kindView].begin()
	s, err := b.Backend.View(ctx, r)
	out := outcomeOf(err)
	o.calls[kindView].end(began, out)
	o.views[level][viewOutcome(s, err)].Add(1)
	if err == nil && s.Stamp().Position < told {
		o.staleViews[level].Add(1)
	}
	if span != nil {
		endSpan(span, out, err)
	}
	if err != nil {
		return nil, err
	}
	o.openViews.Add(1)
	return &snapshot{Snapshot: s, o: o}, nil
}

// snapshot is an open view that is observed.
type snapshot struct {
	mainstem.Snapshot
	o      *Observer
	closed atomic.Bool
}

// Read passes it on.
func (s *snapshot) Read(ctx context.Context, q mainstem.Query) (mainstem.Answer, error) {
	began := s.o.calls[kindRead].begin()
	a, err := s.Snapshot.Read(ctx, q)
	s.o.calls[kindRead].end(began, outcomeOf(err))
	return a, err
}

// Close passes it on.
func (s *snapshot) Close() error {
	if !s.closed.Swap(true) {
		s.o.openViews.Add(-1)
	}
	return s.Snapshot.Close()
}
