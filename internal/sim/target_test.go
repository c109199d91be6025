package sim

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/mainstemtest"
	"github.com/mainstemdb/mainstem/remote"
)

// product is an embedded database as a target.
type product struct {
	open     func(ctx context.Context) (*embedded.DB, error)
	db       *embedded.DB
	clock    *mainstemtest.Clock
	restarts bool
	client   *mainstem.DB // nil: the database is asked in this process
}

// configuration is one way to run the product.
type configuration struct {
	name       string
	partitions int
	restarts   bool // restart where the list says so
	always     bool // restart between any two operations
	onFiles    bool // the operating system's files, not memory
	noLog      bool // the memory engine, which has no files
	wire       bool // behind a server, asked by a client
}

var configurations = []configuration{
	{name: "memory", partitions: 1},
	{name: "memory engine", partitions: 1, noLog: true},
	{name: "memory, restarts", partitions: 1, restarts: true},
	{name: "memory, 5 partitions", partitions: 5},
	{name: "memory, 16 partitions, restarts", partitions: 16, restarts: true},
	{name: "over the wire", partitions: 1, wire: true},
	{name: "over the wire, 5 partitions", partitions: 5, wire: true},
	{name: "files", partitions: 1, onFiles: true},
	{name: "files, restarts between operations", partitions: 1, restarts: true, always: true, onFiles: true},
}

// quiet is the logger of databases whose stops are part of the test.
func quiet() embedded.Option { return embedded.Logger(slog.New(slog.NewTextHandler(io.Discard, nil))) }

// small keeps a test's database small; each partition needs a few MiB.
func small(partitions int) embedded.Option {
	return embedded.Memory(max(16, 4*int64(partitions)) << 20)
}

// rolling makes segments that roll over within a test, and cost little to make.
func rolling() embedded.Option { return embedded.SegmentSize(16 << 10) }

func (c configuration) start(t *testing.T) *product {
	t.Helper()
	p := &product{clock: mainstemtest.NewClock(), restarts: c.restarts}
	opts := []embedded.Option{quiet(), small(c.partitions), rolling(), embedded.OnClock(p.clock), embedded.Partitions(c.partitions), embedded.IDAge(idAge)}
	p.open = func(ctx context.Context) (*embedded.DB, error) { return embedded.InMemory(ctx, opts...) }
	if !c.noLog {
		dir := "db"
		if c.onFiles {
			dir = t.TempDir()
		} else {
			opts = append(opts, embedded.OnDisk(disk.NewMem()))
		}
		p.open = func(ctx context.Context) (*embedded.DB, error) { return embedded.Open(ctx, dir, opts...) }
	}
	p.begin(t)
	if c.wire {
		p.client = dial(t, p.db.Backend())
	}
	return p
}

// dial puts a server before a Backend and is its client.
func dial(t *testing.T, b mainstem.Backend) *mainstem.DB {
	t.Helper()
	client, err := remote.Open(mainstemtest.Serve(t, b))
	if err != nil {
		t.Fatalf("open a client: %v", err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Errorf("close the client: %v", err)
		}
	})
	return client.DB
}

// model is what the configuration is compared with. Over a wire every transaction
// is a networked one.
func (c configuration) model() Target {
	m := NewModel()
	if !c.wire {
		return m
	}
	return networked{Target: m, db: mainstem.New(mainstemtest.NewFlaky(m.DB().Backend()))}
}

// networked is a target behind a network without faults.
type networked struct {
	Target
	db *mainstem.DB
}

func (n networked) DB() *mainstem.DB { return n.db }

// begin opens the database, and closes it with the test.
func (p *product) begin(t *testing.T) {
	t.Helper()
	var err error
	if p.db, err = p.open(t.Context()); err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := p.db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
}

func (p *product) DB() *mainstem.DB     { return cmp.Or(p.client, p.db.DB) }
func (p *product) Step(d time.Duration) { p.clock.Advance(d) }

func (p *product) Restart(ctx context.Context) error {
	if !p.restarts {
		return nil
	}
	if err := p.db.Close(); err != nil {
		return err
	}
	db, err := p.open(ctx)
	if err == nil {
		p.db = db
	}
	return err
}
