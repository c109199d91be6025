package pg_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
)

// BenchmarkRunMeasured is a request with one event, on a server that does not
// sync, so that what measuring adds shows as much as it can.
func BenchmarkRunMeasured(b *testing.B) {
	pool, err := pgxpool.New(b.Context(), server.On(b).DSN())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	db := &pg.DB{Pool: pool, Schema: fmt.Sprintf("t%d", schemas.Add(1))}
	sql, err := pg.Schema(db.Schema, "")
	if err != nil {
		b.Fatal(err)
	}
	if _, err := pool.Exec(b.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		b.Fatal(err)
	}
	n := 0
	for _, name := range []string{"nothing", "metrics"} {
		db.Metrics = map[string]*pg.Metrics{"metrics": pg.NewMetrics()}[name]
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				n++
				_, err := db.Run(b.Context(), pg.Request{Key: fmt.Sprint(n)}, func(ctx context.Context, tx pgx.Tx) ([]byte, error) {
					return nil, pg.Append(ctx, tx, "s", mainstem.Event{Type: "paid"})
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
