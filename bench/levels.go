package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/bench/internal/load"
	"github.com/mainstemdb/mainstem/bench/internal/peer"
)

// engineOf is the engine on which nodes share a log, by the name of the peer; empty is
// a log in files.
var engineOf = map[string]string{"mainstem": "", "mainstem-on-postgres": "postgres", "mainstem-on-jetstream": "jetstream"}

// sequence is a key that one writer counts up, and when each value was acknowledged.
type sequence struct {
	group   string
	mu      sync.Mutex
	acked   []time.Time // of value i+1
	newest  *mainstem.Receipt
	failed  error
	began   chan struct{} // closed once there is a value
	stopped chan struct{}
}

// write counts up until the context ends.
func (s *sequence) write(ctx context.Context, db *mainstem.DB) {
	defer close(s.stopped)
	for i := int64(1); ctx.Err() == nil; i++ {
		r, err := db.Group(s.group).Do(context.WithoutCancel(ctx), "", func(tx *mainstem.Txn) error {
			tx.Set(peer.ReadName, i)
			return nil
		})
		s.mu.Lock()
		s.failed, s.newest, s.acked = err, r, append(s.acked, time.Now())
		s.mu.Unlock()
		if err != nil {
			return
		}
		if i == 1 {
			close(s.began)
		}
	}
}

// now is the last receipt, and how many values were acknowledged.
func (s *sequence) now() (*mainstem.Receipt, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newest, int64(len(s.acked)), s.failed
}

// stale is for how long a value had not been the newest acknowledged one when a read
// began, at which so many were.
func (s *sequence) stale(value, newest int64, began time.Time) time.Duration {
	if value >= newest {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(0, began.Sub(s.acked[value]))
}

// read reads the key at a level, and returns how stale it was.
func (s *sequence) read(ctx context.Context, db *mainstem.DB, at func(newest *mainstem.Receipt) mainstem.Consistency) (time.Duration, error) {
	newest, acked, err := s.now()
	if err != nil {
		return 0, err
	}
	began := time.Now()
	v, err := db.Get(ctx, s.group, peer.ReadName, at(newest))
	if err != nil {
		return 0, err
	}
	return s.stale(v.Value.Int, acked, began), nil
}

// readLevels are how a read can be asked for, given the newest acknowledged write.
var readLevels = []struct {
	name string
	at   func(newest *mainstem.Receipt) mainstem.Consistency
}{
	{"latest", func(*mainstem.Receipt) mainstem.Consistency { return mainstem.Latest() }},
	{"at least", func(r *mainstem.Receipt) mainstem.Consistency { return mainstem.AtLeast(r.Token) }},
	{"within 1 s", func(*mainstem.Receipt) mainstem.Consistency { return mainstem.Within(time.Second) }},
	{"as of", func(r *mainstem.Receipt) mainstem.Consistency { return mainstem.AsOf(r.Position) }},
	{"local", func(*mainstem.Receipt) mainstem.Consistency { return mainstem.Local() }},
}

// levels measures each level of reads on a node that follows, while another one is
// written by a client without a pause. A database of its own has one node for both.
func levels(ctx context.Context, job *Job) (figures []Figure, err error) {
	p, err := openPair(ctx, job)
	defer func() { err = errors.Join(err, p.close()) }()
	if err != nil {
		return nil, err
	}
	s := &sequence{group: fmt.Sprint(peer.ReadGroup, job.Serial), began: make(chan struct{}), stopped: make(chan struct{})}
	writing, stop := context.WithCancel(ctx)
	go s.write(writing, p.writer)
	defer func() { stop(); <-s.stopped }()
	select {
	case <-s.began:
	case <-s.stopped:
		return nil, s.failed
	}
	part := max(job.For/time.Duration(len(readLevels)), 20*time.Millisecond)
	for _, level := range readLevels {
		stale := load.NewRecorder()
		o, err := load.Closed{Clients: job.Clients, Warm: part / 4, For: part}.Run(ctx, func(ctx context.Context, client int) error {
			late, err := s.read(ctx, p.reader, level.at)
			stale.Record(client, late)
			return err
		})
		if err != nil {
			return nil, err
		}
		f := Figure{Ops: o.Ops, Elapsed: o.Elapsed, Latencies: o.Latencies, Settings: p.settings}
		l := stale.Latencies()
		f.Level, f.StaleP50, f.StaleP99, f.StaleMax = level.name, micros(l, 0.5), micros(l, 0.99), micros(l, 1)
		figures = append(figures, f)
	}
	return figures, nil
}

// pair is two nodes on one log, or one on its own for both.
type pair struct {
	writer, reader *mainstem.DB
	settings       map[string]string
	open           []interface{ Close() error }
}

func openPair(ctx context.Context, job *Job) (*pair, error) {
	p := &pair{settings: map[string]string{"engine": "file", "nodes": "1"}}
	return p, p.start(ctx, job)
}

func (p *pair) start(ctx context.Context, job *Job) (err error) {
	var logs *peer.Logs
	names := []string{"a"}
	if engine := engineOf[job.Peer]; engine != "" {
		if logs, err = peer.StartLogs(ctx, engine, filepath.Join(job.Dir, "log"), 1); err != nil {
			return err
		}
		p.open, names = append(p.open, logs), []string{"a", "b"}
		p.settings = map[string]string{"engine": engine, "nodes": "2, one writes, the other one is read; loopback TCP between them"}
	}
	for _, name := range names {
		n, err := peer.OpenNode(ctx, filepath.Join(job.Dir, "node-"+name), name, logs)
		if err != nil {
			return err
		}
		p.open, p.reader = append(p.open, n), n.DB.DB
		p.writer = cmp.Or(p.writer, p.reader)
	}
	return nil
}

// close ends them, the last one first.
func (p *pair) close() (err error) {
	for _, s := range slices.Backward(p.open) {
		err = errors.Join(err, s.Close())
	}
	return err
}
