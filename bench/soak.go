package main

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/mainstemdb/mainstem/bench/internal/load"
)

// soak measures one system for long, in slices: whether it gets slower, and how
// slow an answer can be while tables of the state are written and merged.
func soak(ctx context.Context, job *Job) (figures []Figure, err error) {
	s, w, err := openWorkload(ctx, job)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	d := &diary{dir: job.Dir, slice: job.Slice, now: load.NewRecorder(), busy: load.NewLatencies(), quiet: load.NewLatencies()}
	f, err := measured(s, job, func(opened, shut func() error) (load.Outcome, error) {
		stop := make(chan struct{})
		var writing sync.WaitGroup
		begin := func() error {
			writing.Go(func() { d.write(stop) })
			return opened()
		}
		o, err := load.Closed{Clients: job.Clients, Warm: job.Warm, For: job.For, Opened: begin, Shut: shut}.Run(ctx,
			func(ctx context.Context, i int) error {
				from := time.Now()
				err := w.call(ctx, i)
				d.record(i, time.Since(from))
				return err
			})
		close(stop)
		writing.Wait()
		return o, err
	})
	f.Slices, f.SliceSeconds, f.Keys = d.slices, job.Slice.Seconds(), w.keys()
	if d.busy.Count() > 0 {
		f.P999Busy = micros(d.busy, 0.999)
	}
	if d.quiet.Count() > 0 {
		f.P999Quiet = micros(d.quiet, 0.999)
	}
	return []Figure{f}, err
}

// diary notes each second what was answered, and whether tables changed.
type diary struct {
	dir   string
	slice time.Duration

	mu  sync.RWMutex
	now *load.Recorder

	busy, quiet *load.Latencies
	slices      []float64
}

func (d *diary) record(client int, took time.Duration) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	d.now.Record(client, took)
}

// turn ends a second.
func (d *diary) turn() *load.Latencies {
	fresh := load.NewRecorder()
	d.mu.Lock()
	ended := d.now
	d.now = fresh
	d.mu.Unlock()
	return ended.Latencies()
}

func (d *diary) write(stop <-chan struct{}) {
	beat := min(time.Second, d.slice)
	tick := time.NewTicker(beat)
	defer tick.Stop()
	d.turn() // what the warm-up left
	tables, from, ops := tablesIn(d.dir), time.Now(), int64(0)
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		l := d.turn()
		next := tablesIn(d.dir)
		if maps.Equal(tables, next) {
			d.quiet.Add(l)
		} else {
			d.busy.Add(l)
		}
		tables, ops = next, ops+l.Count()
		if since := time.Since(from); since >= d.slice-beat/2 { // a beat can come a little early
			d.slices = append(d.slices, round(float64(ops)/since.Seconds()))
			from, ops = time.Now(), 0
		}
	}
}

// tablesIn are the table files below a directory, with their sizes.
func tablesIn(dir string) map[string]int64 {
	found := map[string]int64{}
	_ = filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error { // a table may go while we look
		if err == nil && strings.HasSuffix(path, ".sst") {
			if info, err := e.Info(); err == nil {
				found[path] = info.Size()
			}
		}
		return nil
	})
	return found
}
