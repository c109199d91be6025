package handwritten

import (
	"context"
	"crypto/rand"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem/examples/payments/internal/pace"
	"github.com/mainstemdb/mainstem/examples/payments/internal/wire"
)

const (
	pollEvery  = 50 * time.Millisecond
	pollLock   = 7117
	pollMost   = 64
	atOnce     = 16
	tries      = 3
	retryAfter = 100 * time.Millisecond
)

// outgoing is a row of the outbox.
type outgoing struct {
	ID, Payment int64
	Order       string
	Amount      int64
}

// poll publishes the outbox for as long as this pod has the advisory lock, which
// it looks after before each batch.
//
// The mistake: the lock ends with its connection, and what the batch does goes by
// others. When the server restarts, two pods can be at one batch.
func (s *Service) poll(ctx context.Context) error {
	conn, err := s.db.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	var locked bool
	if err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", pollLock).Scan(&locked); err != nil || !locked {
		return err
	}
	defer func() { _, _ = conn.Exec(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", pollLock) }()
	for conn.Ping(ctx) == nil {
		n, err := s.publish(ctx)
		if err != nil {
			return err
		}
		if n == 0 && pace.Pause(ctx, pollEvery) != nil {
			return nil
		}
	}
	return nil
}

// publish takes the next batch after the cursor, and then moves the cursor.
//
// The mistakes: identifiers are drawn in another order than transactions commit,
// so a row that becomes visible behind the cursor is never read. And a crash
// between the charges and the cursor repeats the batch.
func (s *Service) publish(ctx context.Context) (int, error) {
	rows, err := s.db.Query(ctx, `SELECT id, payment, order_id, amount FROM outbox
		WHERE id > (SELECT last FROM poller) ORDER BY id LIMIT $1`, pollMost)
	if err != nil {
		return 0, err
	}
	batch, err := pgx.CollectRows(rows, pgx.RowToStructByPos[outgoing])
	if err != nil || len(batch) == 0 {
		return 0, err
	}
	var calls sync.WaitGroup
	free := make(chan struct{}, atOnce)
	errs := make([]error, len(batch))
	for i, o := range batch {
		free <- struct{}{}
		calls.Go(func() {
			defer func() { <-free }()
			errs[i] = s.charge(ctx, o)
		})
	}
	calls.Wait()
	for _, err := range errs {
		if err != nil {
			return 0, err
		}
	}
	_, err = s.db.Exec(ctx, "UPDATE poller SET last = $1", batch[len(batch)-1].ID)
	return len(batch), err
}

// charge charges an order and notes that it did.
//
// The mistake: each attempt has a key of its own, so the provider cannot know that
// the attempt before had charged when its answer was lost.
func (s *Service) charge(ctx context.Context, o outgoing) error {
	for n := 1; ; n++ {
		c, err := s.provider.Charge(ctx, rand.Text(), wire.Charge{Order: o.Order, Amount: o.Amount})
		switch {
		case err == nil:
			return s.charged(ctx, o, c)
		case ctx.Err() != nil:
			return err
		case n == tries:
			slog.Error("given up", "order", o.Order, "err", err) // somebody will look at the log
			return nil
		}
		if err := pace.Pause(ctx, retryAfter); err != nil {
			return err
		}
	}
}

// charged is idempotent in nothing: a repeated batch posts again.
func (s *Service) charged(ctx context.Context, o outgoing, c wire.Charge) error {
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "UPDATE payment SET status = 'charged', charge = $2 WHERE id = $1", o.Payment, c.ID); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "INSERT INTO posting (order_id, kind, amount, source) VALUES ($1, 'charge', $2, $3)", o.Order, o.Amount, c.ID)
		return err
	})
}
