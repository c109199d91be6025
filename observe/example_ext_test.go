package observe_test

import (
	"context"
	"fmt"
	"log"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/observe"
)

// A database is watched from the moment it is opened.
func Example() {
	ctx := context.Background()
	watch := observe.New()
	db, err := embedded.InMemory(ctx, embedded.Through(watch.Backend))
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	registry := prometheus.NewRegistry()
	registry.MustRegister(watch, &observe.Gauges{DB: db})

	for range 3 {
		if _, err := db.Group("item-42").Do(ctx, "order-7", func(tx *mainstem.Txn) error {
			tx.Add("stock", -1)
			return nil
		}); err != nil {
			log.Fatal(err)
		}
	}

	families, err := registry.Gather()
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "mainstem_calls_total" && m.GetCounter().GetValue() > 0 {
				fmt.Println(m.GetLabel()[0].GetValue(), m.GetLabel()[1].GetValue(), m.GetCounter().GetValue())
			}
		}
	}
	// Output:
	// commit done 1
	// view done 3
}
