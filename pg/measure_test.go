package pg

import (
	"testing"

	"github.com/mainstemdb/mainstem"
)

// BenchmarkMeasuring is what a request with one event costs to measure and trace,
// beside its round trips: without metrics and a provider of traces, and with metrics.
func BenchmarkMeasuring(b *testing.B) {
	for name, m := range map[string]*Metrics{"nothing": nil, "metrics": NewMetrics()} {
		b.Run(name, func(b *testing.B) {
			tx := schemaTx{metrics: m}
			events := []mainstem.Event{{Type: "paid", Data: make([]byte, 200)}}
			b.ReportAllocs()
			for b.Loop() {
				ctx, a := ask(b.Context(), m, "pg.run", "key")
				_, add := adding(ctx, tx, "stream", events)
				_ = metaOf(ctx)
				_ = add.end(nil)
				_, _ = a.with(Reply{}, nil)
				a.end()
			}
		})
	}
}
