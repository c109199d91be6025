package main

import (
	"context"
	"errors"

	"github.com/mainstemdb/mainstem/bench/internal/load"
)

// openLoop measures arrivals that do not wait for each other's answers.
func openLoop(ctx context.Context, job *Job) (figures []Figure, err error) {
	s, w, err := openWorkload(ctx, job)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	f, err := measured(s, job, func(opened, shut func() error) (load.Outcome, error) {
		// The first calls of a process are slow, and would be counted as stalls.
		if _, err := (load.Closed{Clients: min(job.Clients, 16), For: job.Warm}).Run(ctx, w.call); err != nil {
			return load.Outcome{}, err
		}
		return load.Open{
			Rate: job.Rate, For: job.For, Clients: job.Clients, Seed: uint64(job.Serial) + 1, Opened: opened, Shut: shut,
		}.Run(ctx, w.call)
	})
	f.OfferedPerS, f.Keys = job.Rate, w.keys()
	return []Figure{f}, err
}
