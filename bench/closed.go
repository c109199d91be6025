package main

import (
	"context"
	"encoding/binary"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mainstemdb/mainstem/bench/internal/load"
	"github.com/mainstemdb/mainstem/bench/internal/meter"
	"github.com/mainstemdb/mainstem/bench/internal/peer"
	"github.com/mainstemdb/mainstem/bench/internal/strace"
	"github.com/mainstemdb/mainstem/internal/state"
)

// valueBytes is the size of every value and event.
const valueBytes = 100

// openPeer opens the system that a job names.
func openPeer(ctx context.Context, job *Job) (peer.System, error) {
	p, err := peer.Find(job.Peer)
	if err != nil {
		return nil, err
	}
	c := peer.Config{Dir: job.Dir, Clients: job.Clients, Variant: job.Variant, Memory: job.Memory, CallerIDs: job.CallerIDs, Partitions: job.Partitions}
	c.Postgres, c.Database, c.Keep = job.Postgres, job.Database, job.Keep
	if job.Peer == "floor-sync" {
		if c.Record, err = recordSize(ctx, job); err != nil {
			return nil, err
		}
	}
	return p.Open(ctx, c)
}

// openWorkload opens the system that a job names, with the keys of its clients.
func openWorkload(ctx context.Context, job *Job) (peer.System, *workload, error) {
	s, err := openPeer(ctx, job)
	if err != nil {
		return nil, nil, err
	}
	w, err := newWorkload(ctx, s, job)
	if err != nil {
		return nil, nil, errors.Join(err, s.Close())
	}
	return s, w, nil
}

// closed measures clients that ask again as soon as they are answered.
func closed(ctx context.Context, job *Job) (figures []Figure, err error) {
	s, w, err := openWorkload(ctx, job)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	var beside *writer
	if job.Beside {
		if beside, err = startWriter(ctx, s, job); err != nil {
			return nil, err
		}
	}
	f, err := measured(s, job, func(opened, shut func() error) (load.Outcome, error) {
		return load.Closed{Clients: job.Clients, Warm: job.Warm, For: job.For, Opened: opened, Shut: shut}.Run(ctx, w.call)
	})
	if w.settled != "" {
		f.Settings["settled"] = w.settled
	}
	f.RowsKept = job.rowsKept()
	if beside != nil {
		var failed error
		f.WriterPerS, failed = beside.stop()
		f.WriterOffered = round(beside.rate)
		err = errors.Join(err, failed)
	}
	f.Keys = w.keys()
	if m, ok := s.(*peer.Mainstem); ok && job.CallerIDs {
		f.IDs, f.LimitIDs = m.IDs(), state.LimitIDs
	}
	return []Figure{f}, err
}

// measured runs something and reads the meters at both ends of its window.
func measured(s peer.System, job *Job, run func(opened, shut func() error) (load.Outcome, error)) (Figure, error) {
	f := Figure{Settings: s.Settings(), Of: "the process, clients included"}
	g := gauges{dir: job.Dir}
	if server, ok := s.(peer.Server); ok {
		g.pid, f.Of = server.PID(), "the server's processes, without clients"
	}
	g.log, _ = s.(peer.Logged)
	var before, after reading
	var p profile
	opened := func() (err error) {
		if err := p.start(job.Profile); err != nil {
			return err
		}
		before, err = g.read()
		if job.Marked {
			strace.BeginWindow()
		}
		return err
	}
	shut := func() (err error) {
		if job.Marked {
			strace.EndWindow()
		}
		after, err = g.read()
		return errors.Join(err, p.stop())
	}
	if g.log != nil {
		if err := g.log.Level(context.Background()); err != nil {
			return f, err
		}
	}
	o, err := run(opened, shut)
	f.Ops, f.Elapsed, f.Latencies = o.Ops, o.Elapsed, o.Latencies
	used := after.Since(before.Reading)
	f.CPU, f.Written, f.Flushes = used.CPU, used.Written, used.Flushes
	f.WAL, f.ClientCPU = after.wal-before.wal, after.clients-before.clients
	maps.Copy(f.Settings, s.Settings()) // some say how it went, too
	return f, err
}

// gauges are what is read at both ends of a window.
type gauges struct {
	dir string
	pid int         // of a server
	log peer.Logged // nil where no log is counted
}

type reading struct {
	meter.Reading
	clients time.Duration
	wal     int64
}

func (g *gauges) read() (r reading, err error) {
	if r.Reading, err = meter.Read(g.pid, g.dir); err != nil || g.pid == 0 {
		return r, err
	}
	own, err := meter.Read(0, g.dir)
	if r.clients = own.CPU; err == nil && g.log != nil {
		r.wal, err = g.log.WAL(context.Background())
	}
	return r, err
}

// workload is what the clients of a visit ask for.
type workload struct {
	system  peer.System
	job     *Job
	clients []client
	settled string // what the system says of work that it had left; empty where it is not asked
}

type client struct {
	random *rand.Rand
	value  []byte
	turn   int
	// first and n are the client's own keys, versions what it knows of them.
	first, n int
	versions []uint64
	events   uint64
	_        [64]byte // a cache line of its own
}

// scramble makes a value that does not compress, not even beside the one before.
func scramble(value []byte, random *rand.Rand) {
	for ; len(value) >= 8; value = value[8:] {
		binary.LittleEndian.PutUint64(value, random.Uint64())
	}
	for i := range value {
		value[i] = byte(random.Uint32())
	}
}

// newWorkload makes the keys exist and tells each client the versions of its own.
func newWorkload(ctx context.Context, s peer.System, job *Job) (*workload, error) {
	w := &workload{system: s, job: job, clients: make([]client, job.Clients)}
	per := max(1, job.Keys/max(1, job.Clients))
	for i := range w.clients {
		c := &w.clients[i]
		c.random = rand.New(rand.NewPCG(uint64(i), uint64(job.Serial)))
		c.value = make([]byte, valueBytes)
		scramble(c.value, c.random)
		c.first, c.n = i*per, per
	}
	if err := w.prepare(ctx, per); err != nil {
		return nil, err
	}
	return w, nil
}

// preparers is how many keys are made or looked up at a time.
const preparers = 256

func (w *workload) prepare(ctx context.Context, per int) error {
	writes, reads := w.has(peer.CAS), w.has(peer.Get)
	if _, floor := w.system.(interface{ Floor() }); floor || !writes && !reads {
		for i := range w.clients {
			w.clients[i].versions = make([]uint64, per)
		}
		return nil
	}
	all := per * len(w.clients)
	if l, ok := w.system.(peer.Loader); ok && !writes {
		last, err := w.system.Do(ctx, &peer.Op{Kind: peer.Get, Key: all - 1})
		if err == nil && last == 0 {
			err = l.Load(ctx, 0, all, valueBytes)
		}
		if settler, ok := w.system.(peer.Settler); ok && err == nil {
			w.settled, err = settler.Settle(ctx)
		}
		return err
	}
	var g errgroup.Group
	g.SetLimit(preparers)
	for i := range w.clients {
		c := &w.clients[i]
		c.versions = make([]uint64, per)
		for k := range per {
			g.Go(func() (err error) {
				c.versions[k], err = w.version(ctx, i, c.first+k)
				return err
			})
		}
	}
	return g.Wait()
}

// version is the version of a key, which is made if it is not there.
func (w *workload) version(ctx context.Context, client, key int) (uint64, error) {
	op := peer.Op{Kind: peer.Get, Client: client, Key: key, Value: w.clients[client].value}
	version, err := w.system.Do(ctx, &op)
	if err != nil || version > 0 {
		return version, err
	}
	op.Kind = peer.CAS
	return w.system.Do(ctx, &op)
}

// keys is how many keys the clients use, all together.
func (w *workload) keys() int {
	if !w.has(peer.CAS) && !w.has(peer.Get) {
		return 0
	}
	return w.clients[0].n * len(w.clients)
}

func (w *workload) has(kind peer.Kind) bool { return slices.Contains(w.job.Kinds, kind) }

// streams is how many clients a visit may have: each has a stream of its own,
// and no two visits share one.
const streams = 1 << 14

// call is the next operation of a client.
func (w *workload) call(ctx context.Context, i int) error {
	c := &w.clients[i]
	op := peer.Op{Kind: w.job.Kinds[c.turn%len(w.job.Kinds)], Client: i, Value: c.value}
	c.turn++
	k := 0
	switch op.Kind {
	case peer.CAS:
		k = c.random.IntN(c.n)
		op.Key, op.Version = c.first+k, c.versions[k]
		scramble(c.value, c.random)
	case peer.Append:
		op.Client, op.Version = w.job.Serial*streams+i, c.events
		scramble(c.value, c.random)
	case peer.Get:
		op.Key = c.random.IntN(c.n * len(w.clients))
	case peer.Add, peer.Request:
	}
	if w.job.Marked && len(w.clients) == 1 {
		strace.BeginOp()
		defer strace.EndOp()
	}
	version, err := w.system.Do(ctx, &op)
	if err != nil {
		return err
	}
	switch op.Kind {
	case peer.CAS:
		c.versions[k] = version
	case peer.Append:
		c.events = version
	case peer.Get, peer.Add, peer.Request:
	}
	return nil
}

// writer is an open-loop writer beside readers, at half of what it can do alone.
type writer struct {
	rate   float64
	cancel context.CancelFunc
	done   chan struct{}
	ops    atomic.Int64
	from   time.Time
	err    error
}

// writerClients is how many calls of the writer may be under way.
const writerClients = 64

func startWriter(ctx context.Context, s peer.System, job *Job) (*writer, error) {
	own := *job
	own.Kinds, own.Clients, own.Keys = []peer.Kind{peer.CAS}, writerClients, min(job.Keys, 10_000)
	work, err := newWorkload(ctx, s, &own)
	if err != nil {
		return nil, err
	}
	peak, err := load.Closed{Clients: writerClients, Warm: job.Warm / 2, For: max(job.For/4, 50*time.Millisecond)}.Run(ctx, work.call)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	w := &writer{rate: peak.Rate() / 2, cancel: cancel, done: make(chan struct{}), from: time.Now()}
	go func() {
		defer close(w.done)
		_, w.err = load.Open{Rate: w.rate, For: time.Hour, Clients: writerClients, Seed: 1}.Run(ctx, func(ctx context.Context, i int) error {
			defer w.ops.Add(1)
			return work.call(ctx, i)
		})
	}()
	return w, nil
}

// stop ends the writer and says what it has written per second.
func (w *writer) stop() (float64, error) {
	rate := load.Outcome{Ops: w.ops.Load(), Elapsed: time.Since(w.from)}.Rate()
	w.cancel()
	<-w.done
	if errors.Is(w.err, context.Canceled) {
		w.err = nil
	}
	return round(rate), w.err
}
