package traceparent

import (
	"context"
	"fmt"
	"testing"

	"go.opentelemetry.io/otel/trace"
)

const example = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// TestThereAndBack: what Of writes, Links reads.
func TestThereAndBack(t *testing.T) {
	if got := Of(context.Background()); got != "" {
		t.Errorf("a context without a span has %q", got)
	}
	links := Links([]string{example}, 1)
	if len(links) != 1 {
		t.Fatalf("%d links", len(links))
	}
	if got := Of(trace.ContextWithRemoteSpanContext(context.Background(), links[0].SpanContext)); got != example {
		t.Errorf("%s came back as %s", example, got)
	}
}

// TestLinks: each trace once, no more than asked for, and nothing of what is none.
func TestLinks(t *testing.T) {
	headers := []string{"", "order-7", example, example, "00-zz", example[:len(example)-1]}
	for i := range 10 {
		headers = append(headers, fmt.Sprintf("00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920330%d-00", i))
	}
	for most, want := range map[int]int{0: 0, 1: 1, 5: 5, 100: 11} {
		if got := len(Links(headers, most)); got != want {
			t.Errorf("%d links of at most %d, want %d", got, most, want)
		}
	}
}

// TestInto: below the span that a line names, and what is none changes nothing.
func TestInto(t *testing.T) {
	ctx := Into(context.Background(), example)
	if got := Of(ctx); got != example || !trace.SpanContextFromContext(ctx).IsRemote() {
		t.Errorf("%q", got)
	}
	for _, line := range []string{"", "order-7", "00-zz", example[1:]} {
		if got := Of(Into(ctx, line)); got != example {
			t.Errorf("%q has put %q in the place of the span", line, got)
		}
	}
}

func FuzzLinks(f *testing.F) {
	f.Add(example)
	f.Add("")
	f.Fuzz(func(t *testing.T, header string) {
		for _, l := range Links([]string{header}, 1) {
			if !l.SpanContext.IsValid() || !l.SpanContext.IsRemote() {
				t.Errorf("%q links to %v", header, l.SpanContext)
			}
		}
	})
}
