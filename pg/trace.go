package pg

import (
	"context"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/traceparent"
)

// tracer goes by the program's own provider, whenever that is set; without one its
// spans are not recorded.
var tracer = otel.Tracer("github.com/mainstemdb/mainstem/pg")

// What a trace says of an event, in the words of OpenTelemetry's conventions for
// messaging where they have one.
const (
	attrKey      = "mainstem.key"
	attrOutcome  = "mainstem.outcome"
	attrFirst    = "mainstem.position.first"
	attrLast     = "mainstem.position.last"
	attrStream   = "messaging.destination.name"
	attrConsumer = "messaging.consumer.group.name"
	attrCount    = "messaging.batch.message_count"
)

// mostLinks is how many links a delivery has at most, which is what OpenTelemetry's
// SDK keeps of them unless told otherwise.
const mostLinks = 128

// traceOf is the trace of a context, for a line of the log.
func traceOf(ctx context.Context) string {
	if span := trace.SpanContextFromContext(ctx); span.HasTraceID() {
		return span.TraceID().String()
	}
	return ""
}

// linksTo are the traces in which events were appended.
func linksTo(events []Event) []trace.Link {
	traces := make([]string, len(events))
	for i, e := range events {
		traces[i] = e.Meta.Trace
	}
	return traceparent.Links(traces, mostLinks)
}

// spanOf begins a span of an append.
func spanOf(ctx context.Context, stream string, events int) (context.Context, trace.Span) {
	return tracer.Start(ctx, "pg.append", trace.WithSpanKind(trace.SpanKindProducer),
		trace.WithAttributes(attribute.String(attrStream, stream), attribute.Int(attrCount, events)))
}

// spanNumbered is the span of a transaction that has numbered something. One that
// finds nothing is none: a relay looks a hundred times a second.
func spanNumbered(ctx context.Context, began time.Time, last mainstem.Position, n int64) {
	_, span := tracer.Start(ctx, "pg.number", trace.WithNewRoot(), trace.WithTimestamp(began),
		trace.WithAttributes(attribute.Int64(attrFirst, int64(last)-n+1), attribute.Int64(attrLast, int64(last)), attribute.Int64(attrCount, n)))
	span.End()
}

// spanDelivery begins the span of a delivery, in a trace of its own: a batch has
// many causes, and each is a link.
func spanDelivery(ctx context.Context, consumer string, events []Event) (context.Context, trace.Span) {
	return tracer.Start(ctx, "pg.deliver", trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindConsumer), trace.WithLinks(linksTo(events)...),
		trace.WithAttributes(attribute.String(attrConsumer, consumer), attribute.Int(attrCount, len(events)),
			attribute.Int64(attrFirst, int64(events[0].Position)), attribute.Int64(attrLast, int64(events[len(events)-1].Position))))
}

// endSpan ends a span with what came of it.
func endSpan(span trace.Span, outcome string, err error) {
	if span.IsRecording() {
		span.SetAttributes(attribute.String(attrOutcome, outcome))
		if err != nil {
			span.RecordError(err)
			span.SetStatus(codes.Error, mainstem.CodeOf(err).String())
		}
	}
	span.End()
}
