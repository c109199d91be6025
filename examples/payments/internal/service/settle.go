package service

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/examples/payments/internal/pace"
	"github.com/mainstemdb/mainstem/pg"
)

const (
	settlement  = "settlement"
	settleEvery = 500 * time.Millisecond // a day, in the demo
	settleMost  = 10 * time.Second       // for one batch
)

// settle settles what was charged, on one pod at a time.
func (s *Service) settle(ctx context.Context) error {
	for ctx.Err() == nil {
		err := s.db.Hold(ctx, settlement, TTL, s.settleUnder)
		if ctx.Err() == nil {
			// A new lease has a new token, so whatever this one has left undecided
			// is over before the next batch is chosen.
			slog.Warn("the settlement begins anew", "err", err)
		}
		_ = pace.Pause(ctx, settleEvery)
	}
	return nil
}

// settleUnder shows its token before it reads what there is to settle: from then
// on no holder of an older one can write, and what one has written is seen.
func (s *Service) settleUnder(ctx context.Context, token mainstem.FencingToken) error {
	err := pgx.BeginFunc(ctx, s.db.Pool, func(tx pgx.Tx) error { return pg.Fence(ctx, tx, settlement, token) })
	for batch := 0; err == nil; batch++ {
		// A lease that ran out ends ctx. What is under way goes on all the same:
		// whether it may still write is for the fence to say, in the database.
		begun, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleMost)
		err = s.settleBatch(begun, token, batch)
		cancel()
		if err == nil {
			err = pace.Pause(ctx, settleEvery)
		}
	}
	return err
}

// settleBatch may be paused anywhere, for as long as it likes.
func (s *Service) settleBatch(ctx context.Context, token mainstem.FencingToken, batch int) error {
	rows, err := s.db.Pool.Query(ctx, `SELECT order_id FROM payment p WHERE status = 'charged'
		AND NOT EXISTS (SELECT FROM settlement s WHERE s.order_id = p.order_id) ORDER BY id LIMIT 500`)
	if err != nil {
		return err
	}
	orders, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(orders) == 0 {
		return err
	}
	rate, err := s.provider.Rate(ctx)
	if err != nil {
		return err
	}
	key := pg.Key(settlement, strconv.FormatInt(int64(token), 10), strconv.Itoa(batch))
	_, err = s.db.Run(ctx, pg.Request{Key: key}, func(ctx context.Context, tx pgx.Tx) ([]byte, error) {
		if err := pg.Fence(ctx, tx, settlement, token); err != nil {
			return nil, err
		}
		_, err := tx.Exec(ctx, "INSERT INTO settlement (order_id, batch, rate) SELECT order_id, $2, $3 FROM unnest($1::text[]) AS order_id", orders, key, rate)
		return nil, err
	})
	return err
}
