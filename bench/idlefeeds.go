package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/bench/internal/load"
	"github.com/mainstemdb/mainstem/bench/internal/meter"
	"github.com/mainstemdb/mainstem/bench/internal/peer"
)

// idleFeeds opens a feed of a server for each client, and measures the memory that
// they add while nothing comes. Then something comes, and latency is until each has it.
func idleFeeds(ctx context.Context, job *Job) (figures []Figure, err error) {
	s, err := peer.OpenServed(ctx, peer.Config{Dir: job.Dir, Clients: job.Clients, Memory: job.Memory})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	write := func() error {
		_, err := s.DB.Group("feeds").Do(ctx, "", func(tx *mainstem.Txn) error { tx.Put("key", make([]byte, valueBytes)); return nil })
		return err
	}
	before, err := atRest()
	if err != nil {
		return nil, err
	}
	feeding, cancel := context.WithCancel(ctx)
	heard := make(chan error, job.Clients)
	var feeds sync.WaitGroup
	defer feeds.Wait()
	defer cancel()
	for range job.Clients {
		feeds.Go(func() {
			for _, err := range s.Asked.Changes(feeding, mainstem.From{}) {
				heard <- err
				if err != nil {
					return
				}
			}
		})
	}
	if err := errors.Join(write(), eachHears(job.Clients, heard, func() {})); err != nil {
		return nil, err
	}
	idle := time.NewTimer(job.For)
	defer idle.Stop()
	select {
	case <-idle.C:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	after, err := atRest()
	if err != nil {
		return nil, err
	}
	took, from := load.NewRecorder(), time.Now()
	if err := errors.Join(write(), eachHears(job.Clients, heard, func() { took.Record(0, time.Since(from)) })); err != nil {
		return nil, err
	}
	f := Figure{Ops: int64(job.Clients), Elapsed: time.Since(from), Latencies: took.Latencies(), Settings: s.Settings()}
	f.FeedsHold = max(1, after-before)
	f.Note = fmt.Sprintf("%d feeds, after %s; the rate and latency are of one change to all of them", job.Clients, job.For)
	return []Figure{f}, nil
}

// eachHears waits until each of so many has heard something.
func eachHears(n int, heard <-chan error, each func()) error {
	for range n {
		if err := <-heard; err != nil {
			return err
		}
		each()
	}
	return nil
}

// atRest is the resident memory without what is garbage.
func atRest() (int64, error) {
	debug.FreeOSMemory()
	return meter.RSS()
}
