package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/mainstemdb/mainstem/bench/internal/load"
	"github.com/mainstemdb/mainstem/bench/internal/meter"
	"github.com/mainstemdb/mainstem/bench/internal/peer"
	"github.com/mainstemdb/mainstem/embedded"
)

// growth measures compare-and-set while the number of keys grows, in one
// process, which also shows how much memory it comes to need.
func growth(ctx context.Context, job *Job) (figures []Figure, err error) {
	s, err := peer.OpenMainstem(ctx, peer.Config{Dir: job.Dir, Memory: job.Memory})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	budget := job.Memory
	if budget == 0 {
		budget = embedded.DefaultMemory
	}
	there := 0
	var versions []uint64
	if !job.OneVersion {
		versions = make([]uint64, slices.Max(job.Steps))
	}
	for _, keys := range job.Steps {
		from := time.Now()
		if err := s.Load(ctx, there, keys, valueBytes); err != nil {
			return figures, err
		}
		loaded := time.Since(from)
		for key := there; key < min(keys, len(versions)); key++ {
			versions[key] = s.Loaded(key)
		}
		f, err := grown(ctx, s, job, keys, versions)
		if err != nil {
			return figures, err
		}
		if f.PeakRSS, err = meter.PeakRSS(); err != nil {
			return figures, err
		}
		f.Keys, f.Memory = keys, budget
		f.Settings["loaded"] = loaded.Round(time.Millisecond).String()
		figures, there = append(figures, f), keys
	}
	return figures, nil
}

// grown is clients that each write random keys of their own share, at the version
// that each key has. In scenario memory that would be most of the memory that is
// measured: there a client keeps one number, the position of its own last write, since
// which its keys are unchanged.
func grown(ctx context.Context, s *peer.Mainstem, job *Job, keys int, versions []uint64) (Figure, error) {
	at, err := position(ctx, s)
	if err != nil {
		return Figure{}, err
	}
	type own struct {
		random *rand.Rand
		value  []byte
		seen   uint64
		_      [64]byte // a cache line of its own
	}
	clients := make([]own, job.Clients)
	for i := range clients {
		clients[i] = own{random: rand.New(rand.NewPCG(uint64(i), uint64(keys))), value: make([]byte, valueBytes), seen: uint64(at)}
	}
	per := max(1, keys/job.Clients)
	return measured(s, job, func(opened, shut func() error) (load.Outcome, error) {
		return load.Closed{Clients: job.Clients, Warm: job.Warm, For: job.For, Opened: opened, Shut: shut}.Run(ctx,
			func(ctx context.Context, i int) (err error) {
				c := &clients[i]
				scramble(c.value, c.random)
				op := peer.Op{Kind: peer.CAS, Client: i, Key: i*per + c.random.IntN(per), Version: c.seen, Value: c.value}
				if versions != nil {
					op.Version = versions[op.Key]
				}
				if c.seen, err = s.Do(ctx, &op); err == nil && versions != nil {
					versions[op.Key] = c.seen
				}
				return err
			})
	})
}
