package observe

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/mainstemdb/mainstem"
)

// Deliver measures and traces what is made of changes, from the call until end is
// called with what came of it. Give it to Follow:
//
//	db.Follow(ctx, name, match, fn, mainstem.Around(watch.Deliver))
//
// The span is one of a trace of its own, because a batch has many causes: it links
// to the commit of each change, as far as Meta.Trace names one, at most
// LimitLinks. The returned context carries it, so that what is written there leads
// on. A reader of DB.Changes can call it too, for a batch or for a single change.
func (o *Observer) Deliver(ctx context.Context, batch []mainstem.Change) (_ context.Context, end func(error)) {
	of := o.followers.of(mainstem.FollowerOf(ctx))
	began := time.Now()
	working, span := ctx, trace.Span(nil)
	if o.tracer != nil {
		working, span = o.delivery(ctx, of.name, batch)
	}
	return working, func(err error) {
		now := time.Now()
		what := deliveryOutcome(ctx, err)
		of.deliveries[what].Add(1)
		of.took.Observe(int64(now.Sub(began)))
		if what == deliveryTaken {
			for i := range batch {
				of.delay.Observe(int64(now.Sub(batch[i].Wall)))
			}
		}
		if span != nil {
			endDelivery(span, deliveryNames[what], err)
		}
		if what == deliveryFailed && o.lines != nil {
			o.lines.delivery(working, of.name, batch, err)
		}
	}
}

func deliveryOutcome(ctx context.Context, err error) int {
	code := mainstem.CodeOf(err)
	switch {
	case err == nil:
		return deliveryTaken
	case ctx.Err() != nil, code.Retryable(), code == mainstem.Fenced, code == mainstem.Stopped, code == mainstem.Cancelled:
		return deliveryAgain
	}
	return deliveryFailed
}
