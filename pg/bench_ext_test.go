package pg_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/pgserver"
	"github.com/mainstemdb/mainstem/pg"
)

// benchDB is a server that syncs, with a table for the business and those of a
// hand-written outbox.
func benchDB(b *testing.B) *pg.DB {
	b.Helper()
	s, err := pgserver.Start(b.Context(), pgserver.Config{Settings: []string{"max_connections=120", "shared_buffers=256MB", "max_wal_size=4GB"}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	config, err := pgxpool.ParseConfig(s.DSN())
	if err != nil {
		b.Fatal(err)
	}
	config.MaxConns = 70
	pool, err := pgxpool.NewWithConfig(b.Context(), config)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	sql, err := pg.Schema(pg.DefaultSchema, "")
	if err != nil {
		b.Fatal(err)
	}
	_, err = pool.Exec(b.Context(), sql+`
		CREATE TABLE payment (id bigserial PRIMARY KEY, order_id text NOT NULL, cents bigint NOT NULL);
		CREATE TABLE idempotency (key text PRIMARY KEY, hash bytea NOT NULL, reply bytea NOT NULL, made timestamptz NOT NULL DEFAULT now());
		CREATE TABLE outbox (id bigserial PRIMARY KEY, stream text NOT NULL, type text NOT NULL, data bytea NOT NULL, made timestamptz NOT NULL DEFAULT now())`,
		pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		b.Fatal(err)
	}
	return &pg.DB{Pool: pool}
}

// BenchmarkRequest is a payment with its key and its event, by 64 clients: with
// this package, and with the statements that one writes by hand.
func BenchmarkRequest(b *testing.B) {
	db := benchDB(b)
	reply, hash, event := make([]byte, 200), make([]byte, 32), mainstem.Event{Type: "paid", Data: make([]byte, 200)}
	pay := func(ctx context.Context, tx pgx.Tx, key string) error {
		_, err := tx.Exec(ctx, "INSERT INTO payment (order_id, cents) VALUES ($1, $2)", key, 500)
		return err
	}
	var n atomic.Int64
	for name, request := range map[string]func(ctx context.Context, tx pgx.Tx, key string) error{
		"mainstem": func(ctx context.Context, tx pgx.Tx, key string) error {
			_, err := pg.Once(ctx, tx, pg.Request{Key: key, Hash: hash}, func(ctx context.Context) ([]byte, error) {
				if err := pay(ctx, tx, key); err != nil {
					return nil, err
				}
				return reply, pg.Append(ctx, tx, key, event)
			})
			return err
		},
		"by hand": func(ctx context.Context, tx pgx.Tx, key string) error {
			tag, err := tx.Exec(ctx, "INSERT INTO idempotency (key, hash, reply) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", key, hash, reply)
			if err != nil || tag.RowsAffected() == 0 {
				return fmt.Errorf("duplicate (%w)", err)
			}
			if err := pay(ctx, tx, key); err != nil {
				return err
			}
			_, err = tx.Exec(ctx, "INSERT INTO outbox (stream, type, data) VALUES ($1, $2, $3)", key, event.Type, event.Data)
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.SetParallelism(32) // times two cores
			began := time.Now()
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					key := fmt.Sprintf("%s/%08x", name, n.Add(1)*2654435761)
					if err := pgx.BeginFunc(b.Context(), db.Pool, func(tx pgx.Tx) error { return request(b.Context(), tx, key) }); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "requests/s")
		})
	}
}

// BenchmarkRelay is events per second from being committed to a Go function.
func BenchmarkRelay(b *testing.B) {
	db := benchDB(b)
	_, err := db.Pool.Exec(b.Context(), "INSERT INTO mainstem.event (stream, type, data) SELECT 'order/' || i % 1000, 'paid', $1 FROM generate_series(1, $2) i", make([]byte, 200), b.N)
	if err != nil {
		b.Fatal(err)
	}
	r := &pg.Relay{DB: db}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var taken atomic.Int64
	done := make(chan struct{})
	ended := make(chan error, 2)
	began := time.Now()
	go func() { ended <- r.Run(ctx) }()
	go func() {
		ended <- r.Consume(ctx, pg.Consumer{Name: "c", Deliver: func(_ context.Context, events []pg.Event) error {
			if taken.Add(int64(len(events))) == int64(b.N) {
				close(done)
			}
			return nil
		}})
	}()
	<-done
	b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "events/s")
	cancel()
	for range 2 {
		if err := <-ended; err != nil {
			b.Error(err)
		}
	}
}
