// Command shop is a shop to be watched: shoppers who order of a server, and two
// followers that act on the orders. Each order is a span, which leads through its
// record to what the followers make of it.
//
//	mainstem serve --metrics 127.0.0.1:9464 &
//	OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 go run . -server http://127.0.0.1:7171 -for 5m
//
// Without the variable no span goes anywhere.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/mainstemdb/mainstem/remote"
)

func main() {
	metrics := flag.String("metrics", "127.0.0.1:0", "where Prometheus finds what the followers do")
	server := flag.String("server", "http://127.0.0.1:7171", "where the database is")
	shoppers := flag.Int("shoppers", 16, "how many order at the same time")
	length := flag.Duration("for", time.Minute, "how long")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeoutCause(ctx, *length, errClosing)
	defer cancel()
	orders, err := open(ctx, *server, *metrics, *shoppers)
	if err == nil {
		fmt.Println(orders, "orders")
		return
	}
	log.Fatal(err)
}

var errClosing = errors.New("the shop closes")

// open has the shop open until ctx ends, and returns how many orders it took.
func open(ctx context.Context, server, metrics string, shoppers int) (orders int64, err error) {
	db, err := remote.Open(server)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	front, shut, err := tracing(ctx, "shop")
	if err != nil {
		return 0, err
	}
	defer shut()
	s := &shop{db: db.DB, tracer: front.Tracer("shop"), run: time.Now().UnixNano()}
	if err := s.stock(ctx); err != nil {
		return 0, err
	}
	registry := prometheus.NewRegistry()
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", metrics)
	if err != nil {
		return 0, err
	}
	web := &http.Server{Handler: promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), ReadHeaderTimeout: 5 * time.Second}
	defer func() { err = errors.Join(err, web.Close()) }()
	go web.Serve(listener) // it ends with Close
	var all sync.WaitGroup
	for _, f := range followers {
		all.Go(func() { s.fail(f.run(ctx, db.DB, registry)) })
	}
	for i := range shoppers {
		all.Go(func() { s.fail(s.shopper(ctx, i)) })
	}
	all.Wait()
	return s.orders.Load(), s.failed()
}
