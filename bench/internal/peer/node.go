package peer

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/bench/internal/load"
	"github.com/mainstemdb/mainstem/bench/internal/meter"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/node"
	"github.com/mainstemdb/mainstem/remote"
	"github.com/mainstemdb/mainstem/server"
)

// Node is a node of a cluster, for other nodes and for clients.
type Node struct {
	DB      *embedded.DB
	Address string // for clients
	webs    []*http.Server
}

// OpenNode opens a node in this process, or without logs a database of its own.
func OpenNode(ctx context.Context, dir, name string, logs *Logs) (n *Node, err error) {
	n = &Node{}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Close())
		}
	}()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return n, err
	}
	opts := []embedded.Option{embedded.Memory(64 << 20)}
	if logs != nil {
		log, err := logs.Open(ctx)
		if err != nil {
			return n, errors.Join(err, listener.Close())
		}
		self := node.Shared{Address: "http://" + listener.Addr().String(), Dial: dialNode}
		opts = append(opts, embedded.Cluster(log, name, self))
	}
	if n.DB, err = embedded.Open(ctx, dir, opts...); err != nil {
		return n, errors.Join(err, listener.Close())
	}
	n.serve(listener, n.DB.Direct())
	clients, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return n, err
	}
	n.Address = "http://" + clients.Addr().String()
	n.serve(clients, n.DB.Backend())
	return n, nil
}

func dialNode(address string) (mainstem.Backend, error) {
	db, err := remote.Open(address, remote.Hedge(0))
	if err != nil {
		return nil, err
	}
	return db.Backend(), nil
}

func (n *Node) serve(l net.Listener, b mainstem.Backend) {
	web := server.HTTP(server.New(b))
	n.webs = append(n.webs, web)
	go web.Serve(l) // ends with Close, and says so
}

// Close ends it.
func (n *Node) Close() error {
	var errs []error
	for _, w := range n.webs {
		errs = append(errs, w.Close())
	}
	if n.DB != nil {
		errs = append(errs, n.DB.Close())
	}
	return errors.Join(errs...)
}

// NodeVariable tells a process of this program which node to be, as JSON.
const NodeVariable = "MAINSTEM_BENCH_NODE"

// nodeJob is what NodeVariable has.
type nodeJob struct {
	Dir, Name string
	Logs      *Logs
}

// Reads is what a node did that was told to read.
type Reads struct {
	Ops     int64
	CPU     time.Duration
	Elapsed time.Duration
}

// ReadKey is the key that nodes read when they are told to.
const (
	ReadGroup = "bench"
	ReadName  = "read"
)

// BeNode is the process of a node: it says where it is, reads for as long as each line
// of its input says, and ends with its input.
func BeNode(job string, in io.Reader, out io.Writer) int {
	if err := beNode(job, in, out); err != nil {
		fmt.Fprintln(os.Stderr, "bench: a node:", err)
		return 1
	}
	return 0
}

func beNode(text string, in io.Reader, out io.Writer) (err error) {
	var job nodeJob
	if err := json.Unmarshal([]byte(text), &job); err != nil {
		return err
	}
	ctx := context.Background()
	n, err := OpenNode(ctx, job.Dir, job.Name, job.Logs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	if _, err := fmt.Fprintln(out, n.Address); err != nil {
		return err
	}
	for lines := bufio.NewScanner(in); lines.Scan(); {
		most, err := time.ParseDuration(lines.Text())
		if err != nil {
			return err
		}
		reads, err := n.read(ctx, most)
		if err != nil {
			return err
		}
		if err := json.NewEncoder(out).Encode(reads); err != nil {
			return err
		}
	}
	return nil
}

// read reads one key for so long, as fast as one goroutine per core can.
func (n *Node) read(ctx context.Context, most time.Duration) (Reads, error) {
	before, err := meter.Read(0, ".")
	if err != nil {
		return Reads{}, err
	}
	o, err := load.Closed{Clients: 2, For: most}.Run(ctx, func(ctx context.Context, _ int) error {
		_, err := n.DB.Get(ctx, ReadGroup, ReadName, mainstem.Within(time.Second))
		return err
	})
	if err != nil {
		return Reads{}, err
	}
	after, err := meter.Read(0, ".")
	return Reads{Ops: o.Ops, Elapsed: o.Elapsed, CPU: after.Since(before).CPU}, err
}

// Process is a node in a process of its own.
type Process struct {
	Address string
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
}

// StartNode starts one.
func StartNode(dir, name string, logs *Logs) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	job, err := json.Marshal(nodeJob{Dir: dir, Name: name, Logs: logs})
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), NodeVariable+"="+string(job))
	cmd.Stderr = os.Stderr
	p := &Process{cmd: cmd}
	if p.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := p.out.ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the node said nothing: %w", err), p.Close())
	}
	p.Address = line[:len(line)-1]
	return p, nil
}

// Read has the node read for so long.
func (p *Process) Read(most time.Duration) (r Reads, err error) {
	if _, err := fmt.Fprintln(p.in, most); err != nil {
		return r, err
	}
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(line, &r)
}

// Kill ends it as a crash does.
func (p *Process) Kill() error {
	err := p.cmd.Process.Kill()
	_ = p.cmd.Wait() // it was killed
	return err
}

// Close ends it in order.
func (p *Process) Close() error { return errors.Join(p.in.Close(), p.cmd.Wait()) }
