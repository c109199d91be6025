package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/mainstemdb/mainstem"
)

const (
	items     = 40
	inStock   = 100_000
	shelfLine = 10 * time.Millisecond // between two orders of a shopper, on average
)

// shop is where orders are taken.
type shop struct {
	db     *mainstem.DB
	tracer trace.Tracer
	run    int64 // tells the IDs of one run from those of another
	orders atomic.Int64

	mu  sync.Mutex
	err error
}

// fail keeps what went wrong; that the shop closes is nothing of the kind.
func (s *shop) fail(err error) {
	if err == nil || errors.Is(err, errClosing) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = errors.Join(s.err, err)
}

func (s *shop) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func item(n int) string { return fmt.Sprintf("item-%d", n) }

// stock fills the shelves.
func (s *shop) stock(ctx context.Context) error {
	for n := range items {
		if _, err := s.db.Group(item(n)).Do(ctx, "", func(tx *mainstem.Txn) error { tx.Set("stock", inStock); return nil }); err != nil {
			return err
		}
	}
	return nil
}

// shopper orders, looks, and writes a review now and then, until the shop closes.
func (s *shop) shopper(ctx context.Context, who int) error {
	for n := 0; ; n++ {
		select {
		case <-time.After(rand.N(2 * shelfLine)):
		case <-ctx.Done():
			return nil
		}
		err := s.order(ctx, fmt.Sprintf("order-%d-%d-%d", s.run, who, n))
		if n%4 == 0 && err == nil {
			_, err = s.db.Get(ctx, item(rand.N(items)), "stock", mainstem.Latest())
		}
		if n%10 == 0 && err == nil {
			err = s.review(ctx)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
	}
}

// order takes one from the stock and says so, in one transaction under the order's ID.
func (s *shop) order(ctx context.Context, id string) error {
	what := item(min(rand.N(items), rand.N(items))) // some are liked more
	ctx, span := s.tracer.Start(ctx, "POST /orders", trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attribute.String("item", what)))
	defer span.End()
	_, err := s.db.Group(what).Do(ctx, id, func(tx *mainstem.Txn) error {
		tx.Add("stock", -1, mainstem.Floor(0))
		tx.Append("orders", mainstem.Event{Type: "order.placed.v1", Data: []byte(id)})
		return nil
	})
	if err == nil {
		s.orders.Add(1)
	}
	return err
}

// review changes what everybody changes, so that some have to do it again.
func (s *shop) review(ctx context.Context) error {
	_, err := s.db.Group("reviews").Do(ctx, "", func(tx *mainstem.Txn) error {
		best, err := tx.Get(ctx, "best")
		if err != nil {
			return err
		}
		tx.Put("best", fmt.Appendf(nil, "%d reviews", len(best.Value.Bytes)+1))
		return nil
	})
	if mainstem.CodeOf(err) == mainstem.Conflict {
		return nil // somebody else's is as good
	}
	return err
}
