package service

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/examples/payments/internal/pace"
	"github.com/mainstemdb/mainstem/examples/payments/internal/wire"
	"github.com/mainstemdb/mainstem/pg"
)

const (
	atOnce     = 16 // calls to the provider that a pod makes at a time
	tries      = 4  // of one call, before its whole batch is given again
	retryAfter = 100 * time.Millisecond
)

// charge charges the payments of a batch. It can be given an event again, also to
// two pods at once when one was paused; so the provider's key is made of the order
// alone, and the outcome is written once.
func (s *Service) charge(ctx context.Context, events []pg.Event) error {
	var calls sync.WaitGroup
	free := make(chan struct{}, atOnce)
	errs := make([]error, len(events))
	for i, e := range events {
		if e.Type != requested {
			continue
		}
		free <- struct{}{}
		calls.Go(func() {
			defer func() { <-free }()
			errs[i] = s.chargeOne(ctx, e)
		})
	}
	calls.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) chargeOne(ctx context.Context, e pg.Event) error {
	var p wire.Payment
	if err := json.Unmarshal(e.Data, &p); err != nil {
		return err // of the event: it is parked
	}
	key := pg.Key("charge", p.Order)
	var c wire.Charge
	var err error
	for n := range tries {
		if n > 0 && pace.Pause(ctx, retryAfter) != nil {
			break
		}
		if c, err = s.provider.Charge(ctx, key, wire.Charge{Order: p.Order, Amount: p.Amount}); err == nil {
			break
		}
	}
	if err != nil {
		// Of the way: the batch is delivered again, for as long as it takes.
		return mainstem.Errorf(mainstem.Unavailable, "charging order %s: %w", p.Order, err)
	}
	_, err = s.db.Run(ctx, pg.Request{Key: key, Wait: time.Second}, func(ctx context.Context, tx pgx.Tx) ([]byte, error) {
		if _, err := tx.Exec(ctx, "UPDATE payment SET status = 'charged', charge = $2 WHERE order_id = $1", p.Order, c.ID); err != nil {
			return nil, err
		}
		return nil, appendEvent(ctx, tx, p.Order, charged, c)
	})
	return err
}

// post writes the ledger: each event's posting commits together with the place up
// to which the ledger is.
func post(ctx context.Context, tx pgx.Tx, events []pg.Event) error {
	for _, e := range events {
		if e.Type != charged {
			continue
		}
		var c wire.Charge
		if err := json.Unmarshal(e.Data, &c); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "INSERT INTO posting (order_id, kind, amount) VALUES ($1, 'charge', $2)", c.Order, c.Amount); err != nil {
			return err
		}
	}
	return nil
}
