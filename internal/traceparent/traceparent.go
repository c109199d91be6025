// Package traceparent turns the span of a context into the one line that travels
// with a record, and back into what a span can link to.
//
// Source: W3C Trace Context, https://www.w3.org/TR/trace-context/.
package traceparent

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Header is the name of the line in HTTP.
const Header = "traceparent"

// Of is the W3C header of that name for the span of a context; empty if it has none.
func Of(ctx context.Context) string {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return ""
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier[Header]
}

// Into is ctx below the span that a line names; ctx as it is where it names none.
func Into(ctx context.Context, line string) context.Context {
	if line == "" {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{Header: line})
}

// Links are links to the spans that some headers name, each once and at most the
// given number. What is no traceparent is its writer's own, and no link.
func Links(headers []string, most int) (links []trace.Link) {
	seen := map[string]bool{"": true}
	for _, h := range headers {
		if len(links) == most {
			break
		}
		if seen[h] {
			continue
		}
		seen[h] = true
		ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{Header: h})
		if span := trace.SpanContextFromContext(ctx); span.IsValid() {
			links = append(links, trace.Link{SpanContext: span})
		}
	}
	return links
}
