package observe

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/mainstemdb/mainstem"
)

// LogBurst is how many lines come within a second at most.
const LogBurst = 10

// lines is a log that does not drown whoever reads it.
type lines struct {
	logger *slog.Logger
	slow   time.Duration

	mu     sync.Mutex
	second time.Time // when the present second began
	said   int       // in it
	unsaid int       // since the last line
}

// commit says what an operator should know of one.
func (l *lines) commit(ctx context.Context, t *mainstem.Transaction, r *mainstem.Receipt, out outcome, took time.Duration, err error) {
	what, level := "a commit was slow", slog.LevelWarn
	switch mainstem.CodeOf(err) {
	case mainstem.Corrupt, mainstem.Stopped, mainstem.Undecided, mainstem.Unavailable, mainstem.Overloaded:
		what, level = "a commit failed", slog.LevelError
	default:
		if took < l.slow {
			return
		}
	}
	attrs := []slog.Attr{
		slog.String("outcome", out.String()), slog.Duration("took", took), slog.String("trace", traceOf(ctx, t.Meta)),
	}
	if r != nil {
		attrs = append(attrs, slog.Int("partition", r.Partition), slog.Uint64("position", uint64(r.Position)))
	}
	l.say(ctx, level, what, attrs)
}

// delivery says that one failed. The error is the function's own, and may hold
// whatever that puts in.
func (l *lines) delivery(ctx context.Context, follower string, batch []mainstem.Change, err error) {
	attrs := []slog.Attr{slog.String("follower", follower), slog.Int("changes", len(batch)), slog.Any("err", err)}
	if len(batch) > 0 {
		first := batch[0]
		attrs = append(attrs, slog.Int("partition", first.Partition), slog.Uint64("position", uint64(first.Position)),
			slog.String("trace", traceOf(ctx, first.Meta)))
	}
	l.say(ctx, slog.LevelWarn, "a delivery failed", attrs)
}

func (l *lines) say(ctx context.Context, level slog.Level, what string, attrs []slog.Attr) {
	unsaid, ok := l.admit(time.Now())
	if !ok {
		return
	}
	if unsaid > 0 {
		attrs = append(attrs, slog.Int("unsaid", unsaid))
	}
	l.logger.LogAttrs(ctx, level, what, attrs...)
}

// admit reports whether a line may be said now, and how many were not before it.
func (l *lines) admit(now time.Time) (unsaid int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.second) >= time.Second {
		l.second, l.said = now, 0
	}
	if l.said >= LogBurst {
		l.unsaid++
		return 0, false
	}
	l.said++
	unsaid, l.unsaid = l.unsaid, 0
	return unsaid, true
}

// traceOf is what finds a line's trace: what the record carries, which is also
// there without a span, else the span of the context.
func traceOf(ctx context.Context, m mainstem.Meta) string {
	if m.Trace != "" {
		return m.Trace
	}
	if span := trace.SpanContextFromContext(ctx); span.HasTraceID() {
		return span.TraceID().String()
	}
	return ""
}
