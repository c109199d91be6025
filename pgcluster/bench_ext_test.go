package pgcluster_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
	"github.com/mainstemdb/mainstem/pgcluster"
)

// BenchmarkBeside compares, in one run on one server that syncs: a row of the caller's
// with an event that pg.Append stages, and the same row with a transaction of
// Mainstem's by CommitWith, from 16 goroutines for each processor.
func BenchmarkBeside(b *testing.B) {
	w := newWorld(b)
	db := w.node("a", server.On(b).DSN())
	var n atomic.Int64
	insert := func(tx pgx.Tx, id string) error {
		_, err := tx.Exec(b.Context(), "INSERT INTO "+w.table+" (id) VALUES ($1)", id)
		return err
	}
	for name, do := range map[string]func(id string) error{
		"append": func(id string) error {
			return pgx.BeginFunc(b.Context(), w.pg.Pool, func(tx pgx.Tx) error {
				if err := insert(tx, id); err != nil {
					return err
				}
				return pg.Append(b.Context(), w.pg.In(tx), "orders", mainstem.Event{Type: "made", Data: []byte(id)})
			})
		},
		"commitwith": func(id string) error {
			tx, err := w.pg.Pool.Begin(b.Context())
			if err != nil {
				return err
			}
			if err := insert(tx, id); err != nil {
				return err
			}
			_, err = pgcluster.CommitWith(b.Context(), db, tx, "shop", id, func(tx *mainstem.Txn) error {
				tx.Append("orders", mainstem.Event{Type: "made", Data: []byte(id)})
				return nil
			})
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := do(fmt.Sprint("b-", n.Add(1))); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
		})
	}
}
