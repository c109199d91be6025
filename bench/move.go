package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/mainstemdb/mainstem/bench/internal/load"
	"github.com/mainstemdb/mainstem/bench/internal/peer"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/journal"
	"github.com/mainstemdb/mainstem/node"
)

// move moves a database with a filled log from its files to a log that nodes can share,
// while clients write. The window is as long as the move.
func move(ctx context.Context, job *Job) (figures []Figure, err error) {
	engine, dir := engineOf[job.Peer], filepath.Join(job.Dir, fmt.Sprint("visit", job.Serial))
	logs, err := peer.StartLogs(ctx, engine, filepath.Join(dir, "log"), 1)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, logs.Close()) }()
	reach := func(ctx context.Context, _ string) (*journal.Database, error) { return logs.Open(ctx) }
	s, err := peer.OpenMainstem(ctx, peer.Config{Dir: filepath.Join(dir, "node"), Memory: job.Memory}, embedded.Movable("a", node.Shared{Reach: reach}))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	own := *job
	own.Kinds = []peer.Kind{peer.CAS}
	if err := fill(ctx, s, &own); err != nil {
		return nil, err
	}
	w, err := newWorkload(ctx, s, &own)
	if err != nil {
		return nil, err
	}
	var ended atomic.Bool
	done := make(chan error, 1)
	var moved *node.Moved
	begin := func() error {
		go func() {
			var err error
			moved, err = s.DB.Move(ctx, "log://"+engine, func(node.MoveProgress) {})
			ended.Store(true)
			done <- err
		}()
		return nil
	}
	enough := errors.New("the database has moved")
	o, err := load.Closed{Clients: job.Clients, Warm: job.Warm, For: time.Hour, Opened: begin}.Run(ctx, func(ctx context.Context, i int) error {
		if ended.Load() {
			return enough
		}
		return w.call(context.WithoutCancel(ctx), i) // the others' last calls are not cut short
	})
	if !errors.Is(err, enough) {
		return nil, err
	}
	if err := <-done; err != nil {
		return nil, err
	}
	f := Figure{Ops: o.Ops, Elapsed: o.Elapsed, Latencies: o.Latencies, Settings: s.Settings()}
	f.Settings["moved"] = "from files to " + engine
	f.WritePause = number(float64(moved.WritePause.Nanoseconds()) / 1e3)
	f.Note = fmt.Sprintf("%s records copied, the slowest write took %s µs", thousands(float64(moved.Copied)), cell(micros(o.Latencies, 1)))
	return []Figure{f}, nil
}
