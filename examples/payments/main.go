// Command payments shows a payment service on PostgreSQL under faults, written with
// package pg and written by hand. README.md says how to read what it prints.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := command(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// command runs one command line: 0 is good, 1 a failure, 2 a mistake of the caller's.
func command(ctx context.Context, args []string, in io.Reader, out, said io.Writer) int {
	verb := "demo"
	if len(args) > 0 {
		verb, args = args[0], args[1:]
	}
	run := map[string]func() error{
		"demo": func() error { return demoCommand(ctx, args, out, said) },
		"pod":  func() error { return podCommand(ctx, args, in, said) },
	}[verb]
	if run == nil {
		fmt.Fprintf(said, "payments: there is no %q; demo runs the demo, and pod is one pod of it\n", verb)
		return 2
	}
	switch err := run(); {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage):
		return 2
	default:
		fmt.Fprintln(said, "payments:", err)
		return 1
	}
}

// errUsage is a mistake in the command line, which flag has told.
var errUsage = errors.New("usage")

// parse reads flags and takes no arguments.
func parse(flags *flag.FlagSet, args []string, said io.Writer) error {
	flags.SetOutput(said)
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return errUsage
	case flags.NArg() > 0:
		fmt.Fprintf(said, "%s takes no argument %q\n", flags.Name(), flags.Arg(0))
		return errUsage
	}
	return nil
}
