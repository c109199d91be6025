// Command pictures draws what a Grafana and a viewer of traces would show, where
// neither can be had: each panel of a dashboard, its queries answered by a Prometheus,
// and one request with everything that came of it. It writes pages of HTML.
//
//	pictures dashboard -prometheus http://127.0.0.1:9090 -over 5m deploy/grafana/mainstem-node.json > dashboard.html
//	pictures trace -listen 127.0.0.1:4318 -root "POST /orders" > trace.html
//
// The second is a collector of OTLP over HTTP until it has heard of such a request
// and of one effect of it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "pictures:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		return errors.New("say what to draw: dashboard or trace")
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	switch args[0] {
	case "dashboard":
		address := flags.String("prometheus", "http://127.0.0.1:9090", "who answers the queries")
		over := flags.Duration("over", 5*time.Minute, "how much time is drawn, until now")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		if flags.NArg() != 1 || *over < time.Minute {
			return errors.New("give one dashboard, and at least a minute to draw")
		}
		return drawDashboard(ctx, out, flags.Arg(0), prometheus{*address}, *over)
	case "trace":
		listen := flags.String("listen", "127.0.0.1:4318", "where spans are taken")
		root := flags.String("root", "POST /orders", "name of the span that everything began with")
		after := flags.Duration("after", 0, "what begins earlier is not looked at")
		patience := flags.Duration("patience", time.Minute, "how long to wait for one")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, *patience)
		defer cancel()
		return drawTrace(ctx, out, *listen, *root, *after)
	}
	return fmt.Errorf("%q is neither dashboard nor trace", args[0])
}
