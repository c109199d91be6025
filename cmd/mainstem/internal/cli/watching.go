package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/mainstemdb/mainstem/access"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/observe"
	"github.com/mainstemdb/mainstem/observe/serving"
	"github.com/mainstemdb/mainstem/server"
)

// slowCommit is how long a commit takes that is told in the log.
const slowCommit = time.Second

// watching is what is seen of a server while it runs.
type watching struct {
	database *observe.Observer
	calls    serving.Metrics
	traces   *sdktrace.TracerProvider // nil where nobody takes them
	log      *slog.Logger
}

func watch(ctx context.Context, log *slog.Logger) (*watching, error) {
	w := &watching{log: log}
	opts := []observe.Option{observe.Log(log, slowCommit)}
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != "" {
		var err error
		if w.traces, err = exporting(ctx, log); err != nil {
			return nil, err
		}
		opts = append(opts, observe.Traces(w.traces))
	}
	w.database = observe.New(opts...)
	return w, nil
}

// exporting sends spans by OTLP over HTTP. Where to, how many of them and under
// which name is said by OpenTelemetry's own variables.
func exporting(ctx context.Context, log *slog.Logger) (*sdktrace.TracerProvider, error) {
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("traces were not exported", "err", err) }))
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, misused("see OTEL_EXPORTER_OTLP_ENDPOINT and what begins with OTEL_EXPORTER_OTLP", "traces: %v", err)
	}
	release, _ := built()
	us := resource.NewSchemaless(attribute.String("service.name", "mainstem"), attribute.String("service.version", release))
	named, err := resource.Merge(us, resource.Environment())
	if err != nil {
		return nil, misused("see OTEL_RESOURCE_ATTRIBUTES", "traces: %v", err)
	}
	return sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(named)), nil
}

// close sends the spans that wait, or loses them: nobody waits long for a
// collector that is away.
func (w *watching) close() {
	if w.traces == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushMost)
	defer cancel()
	if err := w.traces.Shutdown(ctx); err != nil {
		w.log.Warn("the last traces were not exported", "err", err)
	}
}

const flushMost = 5 * time.Second

// handler answers what is asked of the database and of the server before it.
func (w *watching) handler(db *embedded.DB, s *server.Server) http.Handler {
	w.calls.Server = s
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		w.database, &observe.Gauges{DB: db, Followers: w.database.Followers}, &w.calls,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(w.log.Handler(), slog.LevelWarn), MaxRequestsInFlight: 4,
	}))
	mux.HandleFunc("GET /hot", func(to http.ResponseWriter, _ *http.Request) {
		to.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(to).Encode(w.database.HotNames()) // whoever is gone cannot be told
	})
	return mux
}

// scrapes is the address where metrics are.
type scrapes struct {
	address  string
	listener net.Listener
	web      *http.Server
	ended    chan error
}

// scrape listens for those who want metrics, if there is to be an address for that.
// It is as open as the database's own: names are there, and how busy it is.
func (s *settings) scrape(ctx context.Context) (*scrapes, error) {
	if s.Metrics == "" {
		return nil, nil
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", string(s.Metrics))
	if err != nil {
		return nil, misused("give another with --metrics", "cannot listen on %s: %v", s.Metrics, err)
	}
	if err := s.permit(l.Addr()); err != nil {
		return nil, fmt.Errorf("metrics: %w", errors.Join(err, l.Close()))
	}
	return &scrapes{listener: l, ended: make(chan error, 1)}, nil
}

// begin answers. With a policy, those who have the right admin.
func (s *scrapes) begin(secured *secured, handler http.Handler) {
	if s == nil {
		return
	}
	s.address = secured.address(s.listener) + "/metrics"
	s.web = server.HTTP(secured.before(secured.administrators(handler)))
	go func() { s.ended <- secured.serve(s.web, s.listener) }()
}

func (s *scrapes) close() {
	switch {
	case s == nil:
	case s.web == nil:
		_ = s.listener.Close() // nobody was answered
	default:
		_ = s.web.Close() // whoever asks a server that ends gets half an answer
		<-s.ended
	}
}

// administrators lets nobody else through, where there is a policy.
func (s *secured) administrators(next http.Handler) http.Handler {
	if s.gate == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, _ := access.ClientFrom(r.Context())
		if err := who.Admin(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}
