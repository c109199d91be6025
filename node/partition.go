package node

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/internal/state"
	"github.com/mainstemdb/mainstem/internal/store"
)

// partition is one log with its state.
//
// Invariants: newest is what store holds, and nothing speculative (L4). Only
// who holds turn touches the loop's own.
type partition struct {
	Part
	id     int
	node   *Node
	logger *slog.Logger
	seed   uint64 // of tables in memory, which callers must not know
	store  *store.Store
	time   *chronometer

	changing sync.Mutex // held while store and newest change
	newest   atomic.Pointer[frozen]

	queue   queue
	ring    ring
	sweeper sweeper
	// saving is held while this node's own snapshots come and go.
	saving   sync.Mutex
	deposits deposits
	archive  archive

	// turn is held by whoever judges, lands and applies: see run.
	turn sync.Mutex
	// The loop's own: what follows is whose turn it is.
	tail    *state.Tail // as of the last applied record
	overlay *state.Overlay
	hints   *state.Hints
	ahead   *state.Tail // the tail as the newest judged record will leave it
	flight  *batch      // appended, not yet durable
	judged  *batch      // on top of that, if any
	timer   *time.Timer // of the next look at the clock
	wound   bool        // the loop has ended
	scratch []byte
	taken   []*waiter  // from the queue, at last
	room    state.Room // of the newest judged record
	spares  []spare    // to be used again
	pace    pace       // of records, while the log is copied
	full    bool       // the last append found no room: expiries wait for the next tick

	counted counted

	// What follows is of shared logs. Slots up to scanned are applied here, or void;
	// slots up to seen are known to be in the log, and arrived says that seen is new.
	scanned, seen atomic.Uint64
	arrived       chan struct{}
	// proved is a moment since which what is applied is known to have been the tail.
	proved    atomic.Pointer[time.Time]
	questions questions
	vain      vain
	council   council
	// handTo is the node to which the partition is to be handed over; gaveTo, the
	// loop's own, the one to which it was at last.
	handTo atomic.Pointer[string]
	gaveTo string
	// on is the log in use; leaving are those that were left and are being closed.
	on      atomic.Pointer[generation]
	leaving sync.WaitGroup
	copying sync.Mutex    // held by who appends to the copy of the log
	keepLog atomic.Int32  // how many copy the log, which is not trimmed meanwhile
	needed  atomic.Uint64 // the oldest record that this node told the log to keep; 0 if it told nothing
	notice  atomic.Pointer[notice]
	reaches atomic.Pointer[record.UUID] // the generation to move to, if it can be opened
	movedAt time.Time                   // since when a record that moves the log is on its way
	paused  atomic.Int64                // for how long writes waited for the last move
	// flushed is the index up to which a snapshot of this node has the state.
	flushed atomic.Uint64

	flights  sync.WaitGroup // appends under way, until they are dealt with
	stopOnce sync.Once
	stopping chan struct{}
	stopped  chan struct{} // closed when the loop has ended
	running  bool
	reason   error // why, set before stopping is closed
}

func newPartition(n *Node, id int, part Part) *partition {
	p := &partition{
		Part: part, id: id, node: n, logger: n.cfg.Logger.With("partition", id), seed: rand.Uint64(),
		tail: &state.Tail{}, ahead: &state.Tail{}, arrived: make(chan struct{}, 1),
		stopping: make(chan struct{}), stopped: make(chan struct{}), counted: counted{start: time.Now().Add(-1)},
	}
	p.on.Store(&generation{Log: part.Log, raw: part.Log, id: n.cfg.Database, shared: part.Shared, blobs: part.Blobs, guarantees: n.cfg.Guarantees})
	p.queue.init(n.cfg.share(10))
	p.ring.limit = n.cfg.share(10)
	p.sweeper.init()
	p.council.init()
	p.deposits.init()
	p.archive.init()
	return p
}

// start begins to serve; a partition that has stopped before only ends.
func (p *partition) start() {
	select {
	case <-p.stopping:
		p.queue.close(p.reason)
		close(p.stopped)
		return
	default:
	}
	p.running = true
	if p.node.cfg.ReadOnly {
		close(p.stopped)
		return
	}
	p.timer = time.NewTimer(p.untilExpiry())
	go p.sweep()
	go p.depositing()
	go p.archiving()
	go p.run()
	if p.shared() {
		go p.followLog()
	}
}

// stop makes the loop end. The first reason counts.
func (p *partition) stop(reason error) {
	p.stopOnce.Do(func() {
		p.reason = reason
		close(p.stopping)
		p.node.tellNews()
	})
}

// down is why the partition does not serve, or nil.
func (p *partition) down() error {
	select {
	case <-p.stopping:
		return p.reason
	default:
		return nil
	}
}

// damaged stops this partition alone if the error is damage, and says so to
// whoever asked (L12).
func (p *partition) damaged(err error) error {
	err = typed(err, "partition %d", p.id)
	if mainstem.CodeOf(err) == mainstem.Corrupt {
		p.logger.Error("partition stops", "err", err)
		p.stop(err)
	}
	return err
}

// release gives up the files: the state first, flushed, so that the log's mark
// of a clean end is the last thing written.
func (p *partition) release() error {
	var errs []error
	if p.running && !p.node.cfg.ReadOnly {
		p.sweeper.wait()
		<-p.deposits.ended
		<-p.archive.ended
	}
	if p.store != nil {
		if clean := mainstem.CodeOf(p.reason) == mainstem.Stopped && p.node.Err() == nil; clean && !p.node.cfg.ReadOnly {
			errs = append(errs, p.store.Flush())
		}
		errs = append(errs, p.store.Close())
	}
	p.leaving.Wait()
	if g := p.log(); g.raw != nil {
		errs = append(errs, g.Close())
	}
	return typed(errors.Join(errs...), "closing partition %d", p.id)
}

func (p *partition) stateDir() string { return p.FS.PathJoin(p.Dir, "state") }

// reading freezes the state as it is now, until release is called.
func (p *partition) reading() (rows state.Rows, release func(), tail *state.Tail, err error) {
	if err := p.down(); err != nil {
		return nil, nil, nil, err
	}
	f := p.hold()
	return f.rows, f.release, f.tail, nil
}

// age is the log age now, for what is not written into a record.
func (p *partition) age(tail *state.Tail) mainstem.LogAge { return p.time.age(tail) }

// openStore opens the state, from the newest snapshot if there is none.
func (p *partition) openStore(ctx context.Context) error {
	if !p.node.cfg.ReadOnly {
		if err := p.rebuild(ctx); err != nil {
			return err
		}
	}
	err := p.openState()
	if errors.Is(err, store.ErrCorrupt) && !p.node.cfg.ReadOnly {
		// The state is derived: what does not open is set aside, and built
		// anew from what it was derived from.
		p.logger.Error("the state is damaged and is built anew", "err", err)
		if err := p.setAside(); err != nil {
			return err
		}
		if err := p.rebuild(ctx); err != nil {
			return err
		}
		err = p.openState()
	}
	if err != nil {
		return p.stateError(err)
	}
	return nil
}

func (p *partition) openState() (err error) {
	p.store, err = store.Open(store.Config{
		FS: p.FS, Dir: p.stateDir(), Memory: p.node.cfg.share(60),
		ReadOnly: p.node.cfg.ReadOnly, Logger: p.logger,
	})
	return err
}

// stateError says of a damaged state what an operator can do: the log has
// everything, so the state can be built anew.
func (p *partition) stateError(err error) error {
	if errors.Is(err, store.ErrCorrupt) {
		e := mainstem.Errorf(mainstem.Corrupt, "the state of partition %d in %s: %w", p.id, p.stateDir(), err)
		e.Advice = "move " + filepath.Base(p.Dir) + "/state aside and open again: it is rebuilt from the newest snapshot and the log"
		return e
	}
	return typed(err, "the state of partition %d", p.id)
}
