package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// config says how to run the demo.
type config struct {
	seed      uint64
	length    time.Duration
	customers int
	think     time.Duration
	faults    []string
	keep      string
	out       io.Writer
}

// wholeDay is what happens in a run: every kind of fault, the usual ones twice.
var wholeDay = []string{killPod, killPod, killPod, pausePod, pausePod, lag, restart, crash, failover}

// demoCommand runs both services, one after the other, through the same faults.
func demoCommand(ctx context.Context, args []string, out, said io.Writer) error {
	c := config{faults: wholeDay, think: 500 * time.Millisecond, out: out}
	flags := flag.NewFlagSet("payments demo", flag.ContinueOnError)
	flags.Uint64Var(&c.seed, "seed", 0, "repeats the faults of a run that printed it; 0 draws one")
	flags.DurationVar(&c.length, "length", 28*time.Second, "for how long customers make new orders")
	flags.IntVar(&c.customers, "customers", 20, "how many there are at once")
	flags.StringVar(&c.keep, "keep", "", "a new directory in which the pods' logs stay")
	if err := parse(flags, args, said); err != nil {
		return err
	}
	switch least := time.Duration(len(c.faults)) * time.Second; {
	case c.length < least:
		fmt.Fprintf(said, "payments demo: %d faults need a -length of at least %s\n", len(c.faults), least)
		return errUsage
	case c.customers < 1:
		fmt.Fprintln(said, "payments demo: at least one of the -customers is needed")
		return errUsage
	}
	r, err := c.demo(ctx)
	if err != nil {
		return err
	}
	return r.print(out)
}

// demo runs both.
func (c config) demo(ctx context.Context) (r *report, err error) {
	if c.seed == 0 {
		c.seed = rand.Uint64()>>12 | 1 // short enough for every JSON reader
	}
	dir, done, err := c.directory()
	if err != nil {
		return nil, err
	}
	defer done()
	fmt.Fprintf(c.out, "seed %d: %d customers for %s, %d faults, twice\n", c.seed, c.customers, c.length, len(c.faults))
	r = &report{Seed: c.seed}
	if r.Mainstem, err = c.run(ctx, byMainstem, filepath.Join(dir, byMainstem)); err != nil {
		return nil, fmt.Errorf("seed %d, %s: %w", c.seed, byMainstem, err)
	}
	if r.Handwritten, err = c.run(ctx, byHand, filepath.Join(dir, byHand)); err != nil {
		return nil, fmt.Errorf("seed %d, %s: %w", c.seed, byHand, err)
	}
	return r, nil
}

// directory is where the pods listen and log: private, and gone afterwards unless kept.
func (c config) directory() (dir string, done func(), err error) {
	if c.keep == "" {
		dir, err := os.MkdirTemp("", "payments-") // mode 0700
		return dir, func() { _ = os.RemoveAll(dir) }, err
	}
	if err := os.MkdirAll(c.keep, 0o700); err != nil {
		return "", nil, err
	}
	entries, err := os.ReadDir(c.keep)
	if err == nil && slices.ContainsFunc(entries, func(os.DirEntry) bool { return true }) {
		err = fmt.Errorf("the directory %s is not empty; name a new one to keep logs in", c.keep)
	}
	return c.keep, func() {}, err
}
