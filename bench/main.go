// Command bench measures Mainstem and its peers side by side. docs/bench.md
// says how to read what it prints.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/mainstemdb/mainstem/bench/internal/peer"
)

func main() {
	if spec := os.Getenv(wildVariable); spec != "" {
		os.Exit(rageOn(spec, os.Stdin, os.Stdout))
	}
	if dir := os.Getenv(peer.ServeVariable); dir != "" {
		os.Exit(peer.Serve(dir, os.Stdin, os.Stdout))
	}
	if job := os.Getenv(peer.NodeVariable); job != "" {
		os.Exit(peer.BeNode(job, os.Stdin, os.Stdout))
	}
	if os.Getenv(visitVariable) != "" {
		os.Exit(serveVisit(os.Stdin, os.Stdout))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// command runs one command line: 0 is good, 1 a failure, 2 a mistake of the caller's.
func command(ctx context.Context, args []string, out, said io.Writer) int {
	o, err := parseOptions(args, said)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(said, "bench:", err)
		return 2
	}
	if o.page != "" {
		err = writePage(o.page, o.levels)
	} else {
		err = perform(ctx, o, out)
	}
	if err != nil {
		fmt.Fprintln(said, "bench:", err)
		return 1
	}
	return 0
}

func perform(ctx context.Context, o *options, out io.Writer) error {
	var reports []*Report
	var failed error
	for i := range scenarios {
		sc := &scenarios[i]
		if o.scenario != "all" && o.scenario != sc.name {
			continue
		}
		report, err := measure(ctx, o, sc)
		if err != nil {
			return fmt.Errorf("%s: %w", sc.name, err)
		}
		if err := printReport(out, o, report); err != nil {
			return err
		}
		for _, f := range report.Failed {
			failed = errors.Join(failed, fmt.Errorf("%s: %s, %d clients: %s", sc.name, f.System, f.Clients, f.Error))
		}
		reports = append(reports, report)
	}
	return errors.Join(failed, keep(o, reports))
}

func printReport(out io.Writer, o *options, r *Report) error {
	if !o.json {
		return printTable(out, r)
	}
	encoder := json.NewEncoder(out)
	if o.scenario != "all" {
		encoder.SetIndent("", "  ")
	}
	return encoder.Encode(r)
}
