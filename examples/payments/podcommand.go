package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mainstemdb/mainstem/examples/payments/internal/handwritten"
	"github.com/mainstemdb/mainstem/examples/payments/internal/provider"
	"github.com/mainstemdb/mainstem/examples/payments/internal/service"
	"github.com/mainstemdb/mainstem/examples/payments/internal/wire"
	"github.com/mainstemdb/mainstem/pg"
)

// build is one way to write the service.
type build interface {
	Handler() http.Handler
	// Work does what is not asked for by HTTP, until ctx ends.
	Work(ctx context.Context) error
}

// The names of both.
const (
	byMainstem = "mainstem"
	byHand     = "handwritten"
)

// podConfig is the command line of a pod.
type podConfig struct {
	build, name, dir, primary string
	replicas                  []string
}

// podCommand is one pod: it serves until its standard input ends, which it does
// when whoever started it is gone.
func podCommand(ctx context.Context, args []string, in io.Reader, said io.Writer) error {
	var c podConfig
	flags := flag.NewFlagSet("payments pod", flag.ContinueOnError)
	flags.StringVar(&c.build, "build", byMainstem, "which service: "+byMainstem+" or "+byHand)
	flags.StringVar(&c.name, "name", "", "the pod's name, as which it listens")
	flags.StringVar(&c.dir, "dir", "", "where pods and the provider listen, and where the pod logs")
	flags.StringVar(&c.primary, "primary", "", "how to connect to whichever server is the primary")
	flags.Func("replica", "how to connect to a replica; can be repeated", func(dsn string) error {
		c.replicas = append(c.replicas, dsn)
		return nil
	})
	if err := parse(flags, args, said); err != nil {
		return err
	}
	log, err := os.OpenFile(c.dir+"/"+c.name+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	slog.SetDefault(slog.New(slog.NewTextHandler(log, nil)))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, in)
	}()
	return c.serve(ctx)
}

// serve runs the pod until ctx ends.
func (c *podConfig) serve(ctx context.Context) error {
	b, done, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer done()
	listener, err := wire.Listen(ctx, c.dir, c.name)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/", b.Handler())
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) { wire.Answer(w, http.StatusOK, c.name) })
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	worked := make(chan error, 1)
	go func() {
		worked <- b.Work(ctx)
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = server.Shutdown(last) // what is still running then is cut off
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	err = <-worked
	if err != nil {
		slog.Error("the pod ends", "err", err)
	}
	return err
}

// open connects, and makes the service.
func (c *podConfig) open(ctx context.Context) (b build, done func(), err error) {
	var pools []*pgxpool.Pool
	done = func() {
		for _, pool := range pools {
			pool.Close()
		}
	}
	for _, dsn := range append([]string{c.primary}, c.replicas...) {
		pool, err := connect(ctx, dsn)
		if err != nil {
			return nil, done, errors.Join(err, ctx.Err())
		}
		pools = append(pools, pool)
	}
	caller := provider.NewCaller(c.dir, c.name)
	switch {
	case len(c.replicas) == 0:
		return nil, done, errors.New("a pod needs a replica to read from")
	case c.build == byMainstem:
		return service.New(pools[0], pools[1:], caller), done, nil
	case c.build == byHand:
		return handwritten.New(c.name, pools[0], pools[1], caller), done, nil
	}
	return nil, done, fmt.Errorf("there is no build %q", c.build)
}

// connect makes a pool. Both services get the same one.
func connect(ctx context.Context, dsn string) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	config.MaxConns = 20
	pg.Watch(config.ConnConfig)
	return pgxpool.NewWithConfig(ctx, config)
}
