package handwritten

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/mainstemdb/mainstem/examples/payments/internal/pace"
)

const (
	settleEvery = 500 * time.Millisecond // a day, in the demo
	lockTime    = 1500 * time.Millisecond
)

// settle settles what was charged while this pod has the job's row.
//
// The mistake: the lock is asked for before the work, and nothing that the work
// writes is refused when it has run out since, for example because the pod was
// paused in between.
func (s *Service) settle(ctx context.Context) error {
	tag, err := s.db.Exec(ctx, `INSERT INTO job AS j (name, owner, until) VALUES ('settlement', $1, clock_timestamp() + $2::interval)
		ON CONFLICT (name) DO UPDATE SET owner = $1, until = clock_timestamp() + $2::interval
		WHERE j.owner = $1 OR j.until < clock_timestamp()`, s.name, lockTime)
	if err == nil && tag.RowsAffected() > 0 {
		err = s.settleBatch(ctx)
	}
	if err != nil {
		return err
	}
	return pace.Pause(ctx, settleEvery)
}

func (s *Service) settleBatch(ctx context.Context) error {
	rows, err := s.db.Query(ctx, `SELECT p.id FROM payment p WHERE status = 'charged'
		AND NOT EXISTS (SELECT FROM settlement s WHERE s.order_id = p.order_id) ORDER BY id LIMIT 500`)
	if err != nil {
		return err
	}
	payments, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil || len(payments) == 0 {
		return err
	}
	rate, err := s.provider.Rate(ctx)
	if err != nil {
		return err
	}
	_, err = s.db.Exec(ctx, `INSERT INTO settlement (order_id, batch, rate)
		SELECT order_id, $2, $3 FROM payment WHERE id = ANY ($1)`, payments, s.name+time.Now().Format(time.RFC3339Nano), rate)
	return err
}
