package observe_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/observe"
)

func tracing(t *testing.T) (*world, *tracetest.SpanRecorder, *sdktrace.TracerProvider) {
	t.Helper()
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	t.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
	return start(t, observe.New(observe.Traces(provider))), spans, provider
}

func named(spans *tracetest.SpanRecorder, name string) (found []sdktrace.ReadOnlySpan) {
	for _, s := range spans.Ended() {
		if s.Name() == name {
			found = append(found, s)
		}
	}
	return found
}

func attributeOf(s sdktrace.ReadOnlySpan, key string) string {
	for _, a := range s.Attributes() {
		if a.Key == attribute.Key(key) {
			return a.Value.Emit()
		}
	}
	return ""
}

// changes are all that the feed has.
func (w *world) changes() (all []mainstem.Change) {
	w.t.Helper()
	for batch, err := range w.db.Changes(w.t.Context(), mainstem.From{Drain: true}) {
		if err != nil {
			w.t.Fatal(err)
		}
		all = append(all, batch.Changes...)
	}
	return all
}

// TestCommitsAreTraced: below the caller's span, with their place in the log; and
// what a caller has to expect is no error.
func TestCommitsAreTraced(t *testing.T) {
	w, spans, provider := tracing(t)
	ctx, above := provider.Tracer("test").Start(t.Context(), "request")
	if _, err := w.db.Group("g").Do(ctx, "", func(tx *mainstem.Txn) error { tx.Put("k", nil); return nil }); err != nil {
		t.Fatal(err)
	}
	above.End()
	w.wants(mainstem.Exists, "g", "b", mainstem.KeyAbsent{Name: "k"})
	w.wants(mainstem.Invalid, "g", "c", mainstem.Append{Stream: "s"})
	commits := named(spans, "mainstem.commit")
	if len(commits) != 3 {
		t.Fatalf("%d spans of commits", len(commits))
	}
	if p := commits[0].Parent(); p.SpanID() != above.SpanContext().SpanID() {
		t.Errorf("the commit's parent is %v", p)
	}
	for i, want := range []struct {
		outcome, position string
		status            codes.Code
	}{{"done", "1", codes.Unset}, {"exists", "", codes.Unset}, {"invalid", "", codes.Error}} {
		s := commits[i]
		if attributeOf(s, "mainstem.outcome") != want.outcome || attributeOf(s, "mainstem.position") != want.position || s.Status().Code != want.status {
			t.Errorf("span %d: outcome %s, position %q, %v", i, attributeOf(s, "mainstem.outcome"), attributeOf(s, "mainstem.position"), s.Status())
		}
	}
	if _, err := w.db.Get(t.Context(), "g", "k", mainstem.Local()); err != nil {
		t.Fatal(err)
	}
	views := named(spans, "mainstem.view")
	if v := views[len(views)-1]; attributeOf(v, "mainstem.consistency") != "local" || attributeOf(v, "mainstem.outcome") != "done" {
		t.Errorf("the view's span has %v", v.Attributes())
	}
}

// TestTraceIsStored: the span of a commit is in its record, unless the caller has
// set a trace or left no room; the caller's transaction stays as it was.
func TestTraceIsStored(t *testing.T) {
	w, spans, _ := tracing(t)
	x := &mainstem.Transaction{Group: "g", ID: mainstem.ID{Opaque: "a"}, Operations: []mainstem.Operation{put("k")}}
	if _, err := w.db.Backend().Commit(t.Context(), x); err != nil {
		t.Fatal(err)
	}
	if x.Meta.Trace != "" {
		t.Error("the caller's transaction was changed")
	}
	const traceparentBytes = 55
	w.wants(0, "g", "b", put("k"), mainstem.Meta{Trace: "mine"})
	w.wants(0, "g", "c", put("k"), mainstem.Meta{Actor: strings.Repeat("a", mainstem.LimitMeta-traceparentBytes)})
	w.wants(0, "g", "d", put("k"), mainstem.Meta{Actor: strings.Repeat("a", mainstem.LimitMeta-traceparentBytes+1)})
	changes, commits := w.changes(), named(spans, "mainstem.commit")
	span := func(i int) string {
		s := commits[i].SpanContext()
		return "00-" + s.TraceID().String() + "-" + s.SpanID().String() + "-01"
	}
	for i, want := range []string{span(0), "mine", span(2), ""} {
		if got := changes[i].Meta.Trace; got != want {
			t.Errorf("record %d carries %q, want %q", i, got, want)
		}
	}
}

// TestTracesLeadToEffects: a delivery links to the commit of each change, and what
// it writes is below the delivery, so that the next one links to that.
func TestTracesLeadToEffects(t *testing.T) {
	w, spans, _ := tracing(t)
	w.wants(0, "g", "a", put("k"))
	w.wants(0, "g", "b", put("k"), mainstem.Meta{Trace: "mine"}) // no link
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- w.db.Follow(ctx, "f", mainstem.Match{Groups: []string{"g"}}, func(_ context.Context, tx *mainstem.Txn, batch []mainstem.Change) error {
			tx.Add("seen", int64(len(batch)))
			return nil
		}, mainstem.Around(w.watch.Deliver))
	}()
	deliveries := func() []sdktrace.ReadOnlySpan { return named(spans, "mainstem.deliver") }
	count := func() (n int) {
		for _, d := range deliveries() {
			n += len(d.Links())
		}
		return n
	}
	eventually(t, "it is delivered", func() bool { return w.told()[`feed_changes_total{follower="f"}`] >= 2 && count() >= 1 })
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if count() != 1 {
		t.Fatalf("%d links, want one", count())
	}
	d := deliveries()[0]
	cause := named(spans, "mainstem.commit")[0].SpanContext()
	if link := d.Links()[0].SpanContext; link.TraceID() != cause.TraceID() || link.SpanID() != cause.SpanID() {
		t.Errorf("the link leads to %v, the commit was %v", link, cause)
	}
	if d.Parent().IsValid() || attributeOf(d, "messaging.consumer.group.name") != "f" || attributeOf(d, "mainstem.position.first") != "1" {
		t.Errorf("the delivery is below %v and has %v", d.Parent(), d.Attributes())
	}
	effect := slices.IndexFunc(named(spans, "mainstem.commit"), func(s sdktrace.ReadOnlySpan) bool { return s.Parent().SpanID() == d.SpanContext().SpanID() })
	if effect < 0 {
		t.Fatal("no commit is below the delivery")
	}
	stored := slices.ContainsFunc(w.changes(), func(c mainstem.Change) bool {
		return strings.HasPrefix(c.Group, "~follow/f/") && strings.Contains(c.Meta.Trace, d.SpanContext().TraceID().String())
	})
	if !stored {
		t.Error("the effect's record does not carry the trace of its delivery")
	}
}

// TestDeliveryThatFails says so in its span.
func TestDeliveryThatFails(t *testing.T) {
	w, spans, _ := tracing(t)
	_, end := w.watch.Deliver(t.Context(), nil)
	end(errors.New("no"))
	d := named(spans, "mainstem.deliver")
	if len(d) != 1 || d[0].Status().Code != codes.Error || attributeOf(d[0], "mainstem.outcome") != "failed" {
		t.Errorf("%+v", d)
	}
}

// TestNothingIsTracedUnasked: without Traces a record carries what its caller set.
func TestNothingIsTracedUnasked(t *testing.T) {
	provider := sdktrace.NewTracerProvider()
	defer func() { _ = provider.Shutdown(context.Background()) }()
	w := start(t, observe.New())
	ctx, span := provider.Tracer("test").Start(t.Context(), "request")
	defer span.End()
	if _, err := w.db.Group("g").Do(ctx, "", func(tx *mainstem.Txn) error { tx.Put("k", nil); return nil }); err != nil {
		t.Fatal(err)
	}
	if got := w.changes()[0].Meta.Trace; got != "" {
		t.Errorf("the record carries %q", got)
	}
}
