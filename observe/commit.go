package observe

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/traceparent"
)

// Commit passes it on.
func (b backend) Commit(ctx context.Context, t *mainstem.Transaction) (*mainstem.Receipt, error) {
	o := b.o
	began := o.calls[kindCommit].begin()
	ctx, t, span := o.tracing(ctx, t)
	r, err := b.Backend.Commit(ctx, t)
	out := commitOutcome(r, err)
	took := o.calls[kindCommit].end(began, out)
	if r != nil && err == nil {
		o.followers.cursor(t)
		o.told[mainstem.SlotOf(t.Group)].raise(r.Position)
		if 0 <= r.Partition && r.Partition < len(o.heads) {
			o.heads[r.Partition].raise(r.Position)
		}
	}
	if out != outcomeReplayed {
		o.hot(t, err)
	}
	if span != nil {
		if r != nil && span.IsRecording() {
			span.SetAttributes(attribute.Int(attrPartition, r.Partition), attribute.Int64(attrPosition, int64(r.Position)))
		}
		endSpan(span, out, err)
	}
	if o.lines != nil {
		o.lines.commit(ctx, t, r, out, took, err)
	}
	return r, err
}

func commitOutcome(r *mainstem.Receipt, err error) outcome {
	switch {
	case err != nil || r == nil:
		return outcomeOf(err)
	case r.Replayed:
		return outcomeReplayed
	case r.Refused:
		return outcomeRefused
	}
	return outcomeDone
}

// tracing begins the span of a commit, and gives the transaction its name to take
// along; the caller's own transaction stays as it is.
func (o *Observer) tracing(ctx context.Context, t *mainstem.Transaction) (context.Context, *mainstem.Transaction, trace.Span) {
	if o.tracer == nil {
		return ctx, t, nil
	}
	ctx, span := o.tracer.Start(ctx, "mainstem.commit", trace.WithAttributes(
		attribute.String(attrGroup, t.Group), attribute.Int(attrOperations, len(t.Operations))))
	if t.Meta.Trace != "" {
		return ctx, t, span
	}
	own := traceparent.Of(ctx)
	if own == "" || len(t.Meta.Actor)+len(t.Meta.Request)+len(own) > mainstem.LimitMeta {
		return ctx, t, span
	}
	traced := *t
	traced.Meta.Trace = own
	return ctx, &traced, span
}

// hot notes which names a transaction writes, or which one it failed of.
func (o *Observer) hot(t *mainstem.Transaction, err error) {
	if mainstemsOwn(t.Group) {
		return
	}
	if err == nil {
		o.written.sample(t)
		return
	}
	var failed *mainstem.Error
	if !errors.As(err, &failed) || failed.Condition == 0 {
		return
	}
	switch failed.Code {
	case mainstem.Conflict, mainstem.Exists, mainstem.Held, mainstem.Fenced, mainstem.OutOfRange:
	default:
		return
	}
	i, n := failed.Condition-1, len(t.Conditions)
	switch {
	case i < n:
		o.contended.count(t.Group, judged(t.Conditions[i]), 1)
	case i-n < len(t.Operations):
		o.contended.count(t.Group, written(t.Operations[i-n]), 1)
	}
}
