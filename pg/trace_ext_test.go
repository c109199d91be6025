package pg_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
)

// spans are all that this test binary has recorded since the first test of traces:
// a provider is set once in a program.
var spans = sync.OnceValue(func() *tracetest.InMemoryExporter {
	exporter := tracetest.NewInMemoryExporter()
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter)))
	return exporter
})

// spansOf are those of one name with an attribute.
func spansOf(name, attribute, value string) (found []tracetest.SpanStub) {
	for _, s := range spans().GetSpans() {
		for _, a := range s.Attributes {
			if s.Name == name && string(a.Key) == attribute && a.Value.Emit() == value {
				found = append(found, s)
			}
		}
	}
	return found
}

func header(s trace.SpanContext) string {
	return fmt.Sprintf("00-%s-%s-%s", s.TraceID(), s.SpanID(), s.TraceFlags())
}

// TestTraceFromRequestToEffect: the trace of a client's request goes through the
// event, in which it is stored, to the effect of each consumer, by a link.
func TestTraceFromRequestToEffect(t *testing.T) {
	spans()
	db := open(t)
	r := relaying(t, db, true)
	took := make(chan trace.SpanContext, 10)
	name := "consumer-of-" + db.Schema
	background(t, "consumer", func(ctx context.Context) error {
		return r.Consume(ctx, pg.Consumer{Name: name, Deliver: func(ctx context.Context, events []pg.Event) error {
			took <- trace.SpanContextFromContext(ctx)
			return nil
		}})
	})
	ctx, client := otel.Tracer("test").Start(t.Context(), "client")
	key := "request-of-" + db.Schema
	_, err := db.Run(ctx, pg.Request{Key: key}, func(ctx context.Context, tx pgx.Tx) ([]byte, error) {
		return nil, pg.Append(ctx, tx, "s-"+db.Schema, mainstem.Event{Type: "a"}, mainstem.Event{Type: "b"})
	})
	client.End()
	wantCode(t, err, 0)
	effect := <-took

	request, appended := spansOf("pg.run", "mainstem.key", key), spansOf("pg.append", "messaging.destination.name", "s-"+db.Schema)
	if len(request) != 1 || len(appended) != 1 {
		t.Fatalf("%d spans of the request, %d of the append", len(request), len(appended))
	}
	if request[0].Parent.SpanID() != client.SpanContext().SpanID() || appended[0].Parent.SpanID() != request[0].SpanContext.SpanID() {
		t.Errorf("the request is below %s, the append below %s", request[0].Parent.SpanID(), appended[0].Parent.SpanID())
	}
	want := header(appended[0].SpanContext)
	for _, e := range numbered(t, db, 2) {
		if e.Meta.Trace != want {
			t.Errorf("event %d carries the trace %q, want %q", e.Position, e.Meta.Trace, want)
		}
	}
	eventually(t, "the delivery has ended", func() bool { return len(spansOf("pg.deliver", "messaging.consumer.group.name", name)) > 0 })
	delivery := spansOf("pg.deliver", "messaging.consumer.group.name", name)[0]
	switch {
	case delivery.SpanContext.SpanID() != effect.SpanID():
		t.Error("the consumer's context does not carry the span of the delivery")
	case delivery.Parent.IsValid():
		t.Error("a delivery is below another span: a batch has many causes")
	case len(delivery.Links) != 1 || header(delivery.Links[0].SpanContext) != want:
		t.Errorf("the delivery is linked to %+v, want %s once", delivery.Links, want)
	}
	if all := fmt.Sprint(delivery.Attributes); !strings.Contains(all, "position.first") || !strings.Contains(all, "taken") {
		t.Errorf("the delivery says %s", all)
	}
	eventually(t, "the numbering is a span", func() bool { return len(spansOf("pg.number", "mainstem.position.last", "2")) > 0 })
}

// TestTraceIsTheCallersFirst: a trace that the caller has set stays, and one for
// which there is no room is left out: an append does not fail for it.
func TestTraceIsTheCallersFirst(t *testing.T) {
	spans()
	db := open(t)
	relaying(t, db, false)
	ctx, span := otel.Tracer("test").Start(t.Context(), "client")
	defer span.End()
	long := strings.Repeat("x", 500)
	tx := begin(t, db, pgx.ReadCommitted)
	for _, by := range []mainstem.Meta{{Trace: "own"}, {Actor: long, Request: long}, {Actor: "ann"}} {
		wantCode(t, pg.Append(pg.By(ctx, by), db.In(tx), "s", mainstem.Event{Type: "t"}), 0)
	}
	commit(t, tx)
	events := numbered(t, db, 3)
	if events[0].Meta.Trace != "own" || events[1].Meta.Trace != "" || !strings.HasPrefix(events[2].Meta.Trace, "00-"+span.SpanContext().TraceID().String()) {
		t.Errorf("traces %q, %q and %q", events[0].Meta.Trace, events[1].Meta.Trace, events[2].Meta.Trace)
	}
}

// TestTraceOfFailures: a span says what went wrong, and a delivery is linked to so
// many traces and no more.
func TestTraceOfFailures(t *testing.T) {
	spans()
	db := open(t)
	key := "failure-of-" + db.Schema
	_, err := db.Run(t.Context(), pg.Request{Key: key}, func(context.Context, pgx.Tx) ([]byte, error) { return nil, errors.New("its own") })
	if err == nil {
		t.Fatal("it did not fail")
	}
	if s := spansOf("pg.run", "mainstem.outcome", "failed"); len(s) == 0 || s[len(s)-1].Status.Code.String() != "Error" {
		t.Errorf("the span is %+v", s)
	}
	r := relaying(t, db, true)
	tx := begin(t, db, pgx.ReadCommitted)
	for range 200 {
		ctx, span := otel.Tracer("test").Start(t.Context(), "client")
		wantCode(t, pg.Append(ctx, db.In(tx), "s", mainstem.Event{Type: "t"}), 0)
		span.End()
	}
	commit(t, tx)
	numbered(t, db, 200)
	name := "consumer-of-" + db.Schema
	background(t, "consumer", func(ctx context.Context) error {
		return r.Consume(ctx, pg.Consumer{Name: name, Deliver: func(context.Context, []pg.Event) error { return nil }})
	})
	eventually(t, "all are taken", func() bool { return cursorAt(t, db, name) == 200 })
	if d := spansOf("pg.deliver", "messaging.consumer.group.name", name); len(d) != 1 || len(d[0].Links) != 128 || d[0].DroppedLinks != 0 {
		t.Errorf("%d deliveries", len(d))
	}
}
