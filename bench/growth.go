package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
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
	for _, keys := range job.Steps {
		from := time.Now()
		if err := s.Load(ctx, there, keys, valueBytes); err != nil {
			return figures, err
		}
		loaded := time.Since(from)
		f, err := grown(ctx, s, job, keys)
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

// grown is clients that each write random keys of their own share. What a client
// has last seen is the position of its own last write: nobody else writes its
// keys, so every one of them must be unchanged since then. That keeps one
// number per client instead of one per key, which would be most of the memory
// that is measured here.
func grown(ctx context.Context, s *peer.Mainstem, job *Job, keys int) (Figure, error) {
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
	var calls atomic.Int64
	return measured(s, job, func(opened, shut func() error) (load.Outcome, error) {
		return load.Closed{Clients: job.Clients, Warm: job.Warm, For: job.For, Opened: opened, Shut: shut}.Run(ctx,
			func(ctx context.Context, i int) (err error) {
				c := &clients[i]
				c.value[calls.Add(1)%valueBytes]++
				op := peer.Op{Kind: peer.CAS, Client: i, Key: i*per + c.random.IntN(per), Version: c.seen, Value: c.value}
				c.seen, err = s.Do(ctx, &op)
				return err
			})
	})
}
