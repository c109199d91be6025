package main

import (
	"context"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/observe"
)

// follower acts on orders.
type follower struct {
	name  string
	batch int           // orders at a time
	takes time.Duration // for each batch
}

// followers are the confirmations, one by one as they come, and the books, which are
// kept by many orders at a time.
var followers = []follower{{"mail", 64, 0}, {"books", 512, 10 * time.Millisecond}}

func (f *follower) run(ctx context.Context, db *mainstem.DB, metrics prometheus.Registerer) error {
	provider, shut, err := tracing(ctx, f.name)
	if err != nil {
		return err
	}
	defer shut()
	watch := observe.New(observe.Traces(provider))
	if err := prometheus.WrapRegistererWith(prometheus.Labels{"service": f.name}, metrics).Register(watch); err != nil {
		return err
	}
	return db.Follow(ctx, f.name, mainstem.Match{NamePrefix: "orders"}, func(ctx context.Context, tx *mainstem.Txn, batch []mainstem.Change) error {
		select {
		case <-time.After(f.takes):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		tx.Add("done", int64(len(batch)))
		return nil
	}, mainstem.Around(watch.Deliver), mainstem.BatchOf(f.batch))
}

// tracing sends the spans of a service to where OpenTelemetry's variables say, if any
// does.
func tracing(ctx context.Context, service string) (provider *sdktrace.TracerProvider, shut func(), err error) {
	opts := []sdktrace.TracerProviderOption{sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", service)))}
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" {
		exporter, err := otlptracehttp.New(ctx)
		if err != nil {
			return nil, nil, err
		}
		opts = append(opts, sdktrace.WithBatcher(exporter))
	}
	provider = sdktrace.NewTracerProvider(opts...)
	shut = func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = provider.Shutdown(ctx) // spans without a collector are lost
	}
	return provider, shut, nil
}
