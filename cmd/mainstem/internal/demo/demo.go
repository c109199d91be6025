// Package demo runs the inventory demo: shoppers buy limited stock while the
// process that holds the database is killed and restarted, and an audit that
// kept its own record then looks for every acknowledged purchase.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/mainstemdb/mainstem/internal/process"
	"github.com/mainstemdb/mainstem/remote"
)

// Config says how to run the demo.
type Config struct {
	Kills    int           // kills of each audited run, at least 0
	Power    bool          // each kill is a power cut
	Server   bool          // the process is a server, and shoppers are its clients over TCP
	Cluster  string        // postgres or jetstream: three nodes on a log there; a kill is also a node cut off
	Cuts     string        // namespaces or proxies: what cuts a node off; else namespaces where they are possible
	Orders   string        // CSV file of purchases; empty generates them
	Length   time.Duration // planned length of the first run, without downtime
	Shoppers int
	Seed     uint64 // 0 draws one
	Naive    bool   // also run read-then-write without conditions
	Keep     string // directory to keep everything in; empty keeps nothing

	Progress io.Writer // where progress is told; nil for nowhere
	Live     bool      // Progress is a terminal
}

// Run runs the demo. An error means that it could not be run to its end;
// whether the promises held is in the Report.
func Run(ctx context.Context, c Config) (*Report, error) {
	started := time.Now()
	if c.Seed == 0 {
		c.Seed = rand.Uint64()>>12 | 1 // short enough for every JSON reader
	}
	orders, err := c.orders()
	if err != nil {
		return nil, err
	}
	dir, done, err := c.directory()
	if err != nil {
		return nil, err
	}
	defer done()
	report := &Report{Seed: c.Seed, power: c.Power, server: c.Server, cluster: c.Cluster, kept: c.Keep, source: c.Orders}
	world := world{config: c, dir: dir}
	floor, err := world.run(ctx, plan{mode: byFloor, orders: orders, kills: c.Kills, length: c.Length})
	if err != nil {
		return nil, err
	}
	report.floor(floor)
	// A version can change hands once a sync, so that a hot item takes
	// seconds where an addition takes none: the first part of the purchases.
	part := orders[:min(len(orders), int(c.Length.Seconds()*casRate))]
	cas, err := world.run(ctx, plan{mode: byCompare, orders: part, kills: c.Kills, length: c.Length / 2})
	if err != nil {
		return nil, err
	}
	report.CAS = cas.figures()
	if c.Naive {
		// Not paced: one rush is enough to see it.
		naive, err := world.run(ctx, plan{mode: byReading, orders: orders[:min(len(orders), naiveMost)]})
		if err != nil {
			return nil, err
		}
		report.naive(naive)
	}
	report.Cuts = world.cuts
	for _, b := range report.Broken() {
		report.Failed = append(report.Failed, b.Error())
	}
	report.elapsed = time.Since(started)
	return report, nil
}

const (
	// casRate is how many of the purchases are also made by compare-and-set,
	// for each second of the first run.
	casRate = 600
	// naiveMost is how many of them are also made the naive way.
	naiveMost = 3000
)

// directory is where the demo works: private, and gone afterwards unless kept.
func (c Config) directory() (dir string, done func(), err error) {
	if c.Keep == "" {
		dir, err := os.MkdirTemp("", "mainstem-demo-") // mode 0700
		return dir, func() { _ = os.RemoveAll(dir) }, err
	}
	if err := os.MkdirAll(c.Keep, 0o700); err != nil {
		return "", nil, err
	}
	entries, err := os.ReadDir(c.Keep)
	if err != nil {
		return "", nil, err
	}
	if len(entries) > 0 {
		return "", nil, fmt.Errorf("the directory %s to keep the demo in is not empty; name a new one", c.Keep)
	}
	return c.Keep, func() {}, nil
}

// world is the place that the runs of one demo share.
type world struct {
	config Config
	dir    string
	cuts   string // what nodes of a cluster are cut off with
}

// plan is one run: the same shoppers, one way of buying.
type plan struct {
	mode   mode
	orders []Order
	kills  int
	length time.Duration
	bound  time.Duration // of calls that end as unavailable meanwhile; 0 where others answer them
}

// run sets up the stock, lets the shoppers buy under kills, and audits.
func (w *world) run(ctx context.Context, p plan) (*outcome, error) {
	if w.config.Cluster == "" {
		p.bound = Bound
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	dir := filepath.Join(w.dir, p.mode.String())
	place, err := w.place(ctx, dir, cancel)
	if err != nil {
		return nil, err
	}
	defer place.end()
	if err := place.start(ctx); err != nil {
		return nil, err
	}
	book, err := newLedger(dir + ".acknowledged")
	if err != nil {
		return nil, err
	}
	defer book.close()
	rng := rand.New(rand.NewPCG(w.config.Seed, uint64(p.mode)))
	m := &market{plan: p, place: place, ledger: book, stock: stockFor(p.orders, w.config.Seed), fail: cancel}
	m.pace = newPace(p, rng)
	if err := m.fill(ctx); err != nil {
		return nil, err
	}
	told := w.config.tell(m)
	err = m.open(ctx, w.config.Shoppers, rng)
	told()
	o, err := w.audit(ctx, m, rng, err)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.mode, err)
	}
	return o, nil
}

// place prepares what holds the database of one run. died is told of a process that
// ends though nobody has ended it.
func (w *world) place(ctx context.Context, dir string, died func(error)) (place, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	if w.config.Cluster == "" {
		return w.holder(exe, dir, died)
	}
	c, err := w.cluster(ctx, exe, dir)
	if err != nil {
		return nil, err
	}
	for _, n := range c.nodes {
		n.died = died
	}
	return c, nil
}

// holder prepares the process that holds the database of one run.
func (w *world) holder(exe, dir string, died func(error)) (*holder, error) {
	socket := dir + ".sock"
	if len(socket) > limitSocket {
		return nil, fmt.Errorf("the path %s is too long for a socket (%d bytes at most); set TMPDIR, or --keep, to a shorter one", socket, limitSocket)
	}
	h := &holder{exe: exe, dir: dir, socket: socket, died: died}
	if w.config.Power {
		h.power = w.config.Seed
	}
	if w.config.Server {
		return h, h.serve()
	}
	return h, nil
}

// serve gives the process a port, which it keeps over its restarts.
func (h *holder) serve() error {
	ports, err := process.Ports(1)
	if err != nil {
		return err
	}
	h.listen = loopback(ports[0])
	h.remote, err = remote.Open("http://" + h.listen)
	return err
}

// limitSocket is what every system takes as the path of a Unix socket.
const limitSocket = 100

// errEnded is why calls are cut off when a run is over.
var errEnded = errors.New("the run is over")
