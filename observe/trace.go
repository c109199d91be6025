package observe

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/traceparent"
)

// What a trace says, in the words of OpenTelemetry's conventions for messaging
// where they have one.
const (
	attrGroup       = "mainstem.group"
	attrOperations  = "mainstem.operations"
	attrConsistency = "mainstem.consistency"
	attrOutcome     = "mainstem.outcome"
	attrPartition   = "mainstem.partition"
	attrPosition    = "mainstem.position"
	attrFirst       = "mainstem.position.first"
	attrLast        = "mainstem.position.last"
	attrFollower    = "messaging.consumer.group.name"
	attrCount       = "messaging.batch.message_count"
)

// LimitLinks is how many links the span of a delivery has at most, which is what
// OpenTelemetry's SDK keeps of them unless told otherwise.
const LimitLinks = 128

// delivery begins the span of a delivery.
func (o *Observer) delivery(ctx context.Context, follower string, batch []mainstem.Change) (context.Context, trace.Span) {
	traces := make([]string, len(batch))
	for i := range batch {
		traces[i] = batch[i].Meta.Trace
	}
	attributes := []attribute.KeyValue{attribute.String(attrFollower, follower), attribute.Int(attrCount, len(batch))}
	if len(batch) > 0 {
		attributes = append(attributes, attribute.Int(attrPartition, batch[0].Partition),
			attribute.Int64(attrFirst, int64(batch[0].Position)), attribute.Int64(attrLast, int64(batch[len(batch)-1].Position)))
	}
	return o.tracer.Start(ctx, "mainstem.deliver", trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithLinks(traceparent.Links(traces, LimitLinks)...), trace.WithAttributes(attributes...))
}

func endDelivery(span trace.Span, what string, err error) {
	if span.IsRecording() {
		span.SetAttributes(attribute.String(attrOutcome, what))
		if err != nil {
			span.RecordError(err)
			span.SetStatus(codes.Error, what)
		}
	}
	span.End()
}

// endSpan ends the span of a call. What a caller is to expect is no error of the
// span: a condition that did not hold, a lease that somebody has.
func endSpan(span trace.Span, out outcome, err error) {
	if span.IsRecording() {
		span.SetAttributes(attribute.String(attrOutcome, out.String()))
		if err != nil && !expected(mainstem.CodeOf(err)) {
			span.RecordError(err)
			span.SetStatus(codes.Error, out.String())
		}
	}
	span.End()
}

func expected(c mainstem.Code) bool {
	switch c {
	case mainstem.Conflict, mainstem.Held, mainstem.Exists, mainstem.OutOfRange:
		return true
	}
	return false
}
