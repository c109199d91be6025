package observe_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/mainstemtest"
	"github.com/mainstemdb/mainstem/observe"
	"github.com/mainstemdb/mainstem/remote"
)

// TestTraceOverTheWire follows one request as an operator would: from the span of
// its caller, over the network, through the record, to what a follower in a third
// place makes of it. Caller, server and follower know nothing of each other but
// what travels.
func TestTraceOverTheWire(t *testing.T) {
	atServer, spansOfServer, _ := tracing(t)
	address := mainstemtest.Serve(t, atServer.db.Backend())
	open := func() (*remote.DB, *tracetest.SpanRecorder, *sdktrace.TracerProvider) {
		spans := tracetest.NewSpanRecorder()
		provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
		db, err := remote.Open(address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _, _ = db.Close(), provider.Shutdown(context.Background()) })
		return db, spans, provider
	}

	caller, _, ofCaller := open()
	ctx, request := ofCaller.Tracer("shop").Start(t.Context(), "POST /orders")
	receipt, err := caller.Group("orders").Do(ctx, "order-7", func(tx *mainstem.Txn) error { tx.Put("order-7", []byte("placed")); return nil })
	if err != nil {
		t.Fatal(err)
	}
	request.End()
	commit := one(t, spansOfServer, "mainstem.commit")
	wantBelow(t, "the server's commit", commit, request.SpanContext())
	if attributeOf(commit, "mainstem.position") != receipt.Position.String() {
		t.Errorf("the commit's span has %v, the caller was told %s", commit.Attributes(), receipt.Position)
	}
	wantBelow(t, "the look-up of the ID", one(t, spansOfServer, "mainstem.view"), request.SpanContext())
	stored := atServer.changes()[0].Meta.Trace
	if !strings.Contains(stored, request.SpanContext().TraceID().String()+"-"+request.SpanContext().SpanID().String()) {
		t.Fatalf("the record carries %q, the caller's span was %v", stored, request.SpanContext())
	}

	follower, spansOfFollower, ofFollower := open()
	watch := observe.New(observe.Traces(ofFollower))
	following, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- follower.Follow(following, "mail", mainstem.Match{Groups: []string{"orders"}}, func(_ context.Context, tx *mainstem.Txn, _ []mainstem.Change) error {
			tx.Put("sent", nil)
			return nil
		}, mainstem.Around(watch.Deliver))
	}()
	eventually(t, "the follower has delivered", func() bool { return len(named(spansOfFollower, "mainstem.deliver")) > 0 })
	eventually(t, "the server names the follower", func() bool { return atServer.told()[`feed_changes_total{follower="mail"}`] > 0 })
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	delivery := named(spansOfFollower, "mainstem.deliver")[0]
	if links := delivery.Links(); len(links) != 1 || links[0].SpanContext.SpanID() != request.SpanContext().SpanID() {
		t.Errorf("the delivery links to %v, its cause was %v", links, request.SpanContext())
	}
	effects := 0
	for _, s := range named(spansOfServer, "mainstem.commit") {
		if s.Parent().SpanID() == delivery.SpanContext().SpanID() {
			effects++
		}
	}
	if effects == 0 {
		t.Error("no commit of the server is below the delivery")
	}
	carried := false
	for _, c := range atServer.changes()[1:] {
		carried = carried || strings.Contains(c.Meta.Trace, delivery.SpanContext().TraceID().String())
	}
	if !carried {
		t.Error("no record carries the trace of the delivery: what comes of the effect cannot lead back")
	}
}

// one is the only span of a name.
func one(t *testing.T, spans *tracetest.SpanRecorder, name string) sdktrace.ReadOnlySpan {
	t.Helper()
	found := named(spans, name)
	if len(found) != 1 {
		t.Fatalf("%d spans %s, want one", len(found), name)
	}
	return found[0]
}

func wantBelow(t *testing.T, what string, s sdktrace.ReadOnlySpan, above trace.SpanContext) {
	t.Helper()
	if s.Parent().SpanID() != above.SpanID() || s.SpanContext().TraceID() != above.TraceID() {
		t.Errorf("%s is below %v, its caller's span is %v", what, s.Parent(), above)
	}
}
