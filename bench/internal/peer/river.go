package peer

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// paidJob is the payment's event as a job of River's.
type paidJob struct {
	Order string `json:"order"`
	Data  []byte `json:"data"`
}

// Kind names the job.
func (paidJob) Kind() string { return eventType }

func riverTables(ctx context.Context, d *Database) error {
	migrator, err := rivermigrate.New(riverpgxv5.New(d.Pool), nil)
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	return d.run(ctx, paymentTable+";"+idempotencyTable)
}

// riverPay is a payment whose event is a job of River's, inserted in the payment's
// transaction by a client that works no jobs, with River's defaults.
func riverPay(d *Database) (payer, error) {
	client, err := river.NewClient(riverpgxv5.New(d.Pool), &river.Config{})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, p *payment) error {
		return pgx.BeginFunc(ctx, d.Pool, func(tx pgx.Tx) error {
			if err := claimKey(ctx, tx, p); err != nil {
				return err
			}
			if err := insertPayment(ctx, tx, p); err != nil {
				return err
			}
			_, err := client.InsertTx(ctx, tx, paidJob{Order: p.order, Data: p.event}, nil)
			return err
		})
	}, nil
}
