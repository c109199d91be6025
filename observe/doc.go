// Package observe shows what a database does: metrics for Prometheus, spans for
// OpenTelemetry, lines for a log, and the names that are written or fought over
// most.
//
// An Observer stands before a Backend and sees every call; Gauges asks the database
// for what it counts itself. Neither costs anything where it is not used:
//
//	watch := observe.New()
//	db, err := embedded.Open(ctx, dir, embedded.Through(watch.Backend))
//	…
//	prometheus.MustRegister(watch, &observe.Gauges{DB: db})
//
// A server that is given db.Backend() is measured with it. Every metric is in
// docs/reference/metrics.md.
package observe
