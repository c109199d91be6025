package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/bench/internal/load"
	"github.com/mainstemdb/mainstem/bench/internal/peer"
	"github.com/mainstemdb/mainstem/remote"
)

// nodes are processes on one log, and clients of them.
type nodes struct {
	job     *Job
	logs    *peer.Logs
	running map[string]*peer.Process
	clients map[string]*remote.DB
}

func startNodes(ctx context.Context, job *Job, names ...string) (*nodes, error) {
	logs, err := peer.StartLogs(ctx, engineOf[job.Peer], filepath.Join(job.Dir, "log"), 1)
	if err != nil {
		return nil, err
	}
	n := &nodes{job: job, logs: logs, running: map[string]*peer.Process{}, clients: map[string]*remote.DB{}}
	for _, name := range names {
		if err := n.start(name, logs); err != nil {
			return nil, errors.Join(err, n.close())
		}
	}
	return n, nil
}

func (n *nodes) start(name string, logs *peer.Logs) error {
	p, err := peer.StartNode(filepath.Join(n.job.Dir, "node-"+name), name, logs)
	if err != nil {
		return err
	}
	n.running[name] = p
	n.clients[name], err = remote.Open(p.Address)
	return err
}

// kill ends a node as a crash does.
func (n *nodes) kill(name string) error {
	p, c := n.running[name], n.clients[name]
	delete(n.running, name)
	delete(n.clients, name)
	return errors.Join(c.Close(), p.Kill())
}

// put writes once, through a node.
func (n *nodes) put(ctx context.Context, through, group string) error {
	_, err := n.clients[through].Group(group).Do(ctx, "", func(tx *mainstem.Txn) error {
		tx.Put(peer.ReadName, make([]byte, valueBytes))
		return nil
	})
	return err
}

func (n *nodes) close() error {
	var errs []error
	for _, c := range n.clients {
		errs = append(errs, c.Close())
	}
	for _, p := range n.running {
		errs = append(errs, p.Close())
	}
	return errors.Join(append(errs, n.logs.Close())...)
}

// kills is how often the node that writes is killed in a visit.
const kills = 5

// takeover kills the node that writes, and measures until another one has
// acknowledged a write.
func takeover(ctx context.Context, job *Job) (figures []Figure, err error) {
	n, err := startNodes(ctx, job, "a", "b")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, n.close()) }()
	writer, other := "a", "b"
	took, began := load.NewRecorder(), time.Now()
	for i := range kills {
		// The other node knows who writes once it has forwarded there.
		if err := errors.Join(n.put(ctx, writer, peer.ReadGroup), n.put(ctx, other, peer.ReadGroup)); err != nil {
			return nil, err
		}
		if err := n.kill(writer); err != nil {
			return nil, err
		}
		killed := time.Now()
		if err := n.put(ctx, other, peer.ReadGroup); err != nil {
			return nil, fmt.Errorf("the write after kill %d: %w", i+1, err)
		}
		took.Record(i, time.Since(killed))
		if err := n.start(writer, n.logs); err != nil {
			return nil, err
		}
		writer, other = other, writer
	}
	return []Figure{{
		Ops: kills, Elapsed: time.Since(began), Latencies: took.Latencies(),
		Settings: map[string]string{"engine": engineOf[job.Peer], "nodes": "2, processes", "killed": "the node that writes, by SIGKILL; latency is until the next acknowledged write"},
	}}, nil
}

// What followers measures.
const (
	writesAlone  = "writes, alone"
	writesBeside = "writes, two followers read"
	readsFollow  = "reads of followers"
	readsSingle  = "reads of a single node"
)

// followers measures clients of the node that writes, alone, and then while two others
// read Within(1s) as fast as they can; what those read per second of processor time; and
// what a single node on files does of the same.
func followers(ctx context.Context, job *Job) (figures []Figure, err error) {
	n, err := startNodes(ctx, job, "a", "b", "c")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, n.close()) }()
	part := max(job.For/3, 100*time.Millisecond) // a write takes some of them
	write := func() (Figure, error) {
		o, err := load.Closed{Clients: job.Clients, Warm: part / 4, For: part}.Run(ctx, func(ctx context.Context, client int) error {
			return n.put(ctx, "a", fmt.Sprint(peer.ReadGroup, client))
		})
		return Figure{Ops: o.Ops, Elapsed: o.Elapsed, Latencies: o.Latencies, Settings: map[string]string{
			"engine": engineOf[job.Peer], "nodes": "3, processes; the clients of one write",
		}}, err
	}
	alone, err := write()
	if err != nil {
		return nil, err
	}
	alone.Level = writesAlone
	reads := make(chan readsOr, 2)
	for _, name := range []string{"b", "c"} {
		go func() {
			r, err := n.running[name].Read(part + part/4)
			reads <- readsOr{r, err}
		}()
	}
	beside, err := write()
	beside.Level = writesBeside
	var all peer.Reads
	for range 2 {
		r := <-reads
		err = errors.Join(err, r.err)
		all.Ops, all.CPU, all.Elapsed = all.Ops+r.Ops, all.CPU+r.CPU, max(all.Elapsed, r.Elapsed)
	}
	if err != nil {
		return nil, err
	}
	followed := readsFigure(readsFollow, all)
	if err := n.start("single", nil); err != nil {
		return nil, err
	}
	if err := n.put(ctx, "single", peer.ReadGroup); err != nil {
		return nil, err
	}
	single, err := n.running["single"].Read(part)
	return []Figure{alone, beside, followed, readsFigure(readsSingle, single)}, err
}

type readsOr struct {
	peer.Reads
	err error
}

// readsFigure is what nodes did that read within one second.
func readsFigure(what string, r peer.Reads) Figure {
	f := Figure{Ops: r.Ops, Elapsed: r.Elapsed, CPU: r.CPU, Of: "the nodes that read", Settings: map[string]string{"level": "Within(1s)"}}
	f.Level = what
	if r.CPU > 0 {
		f.PerCPUSecond = round(float64(r.Ops) / r.CPU.Seconds())
	}
	return f
}
