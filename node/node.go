package node

import (
	"context"
	"errors"
	"sync"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/store"
	"github.com/mainstemdb/mainstem/journal"
)

// Node serves the partitions of one database. It is a mainstem.Backend.
type Node struct {
	cfg   Config
	parts []*partition

	mu     sync.Mutex
	err    error // why it stopped by itself
	closed bool
	done   chan struct{}

	// news is closed, and replaced, whenever a partition has applied a record.
	newsMu sync.Mutex
	news   chan struct{}

	peers   peers
	targets targets
	moving  sync.Mutex // held while this node moves the database, or forgets another one
	// spreading is what hands partitions over; it ends with serving.
	spreading sync.WaitGroup
	serving   context.Context
	leave     context.CancelFunc
}

// Open recovers every partition and begins to serve. With several partitions
// it succeeds as long as one is sound; a damaged one answers Corrupt (L12).
func Open(ctx context.Context, cfg Config) (*Node, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	n := &Node{cfg: cfg, done: make(chan struct{}), news: make(chan struct{})}
	n.serving, n.leave = context.WithCancel(context.Background())
	if weak := cfg.Guarantees.Weak; len(weak) > 0 {
		cfg.Logger.Warn("the promise is weak", "because", weak)
	}
	sound := 0
	var first error
	for i, part := range cfg.Parts {
		p := newPartition(n, i, part)
		n.parts = append(n.parts, p)
		err := part.Err
		if err == nil {
			err = p.open(ctx)
		}
		if err != nil && mainstem.CodeOf(err) != mainstem.Corrupt {
			return nil, errors.Join(typed(err, "opening partition %d", i), n.release())
		}
		if err != nil {
			cfg.Logger.Error("partition is damaged and does not serve", "partition", i, "err", err)
			p.stop(err)
			if first == nil {
				first = err
			}
		} else {
			sound++
		}
	}
	if sound == 0 && !cfg.ReadOnly { // read-only is for looking at what is there
		return nil, errors.Join(first, n.release())
	}
	for _, p := range n.parts {
		p.start()
	}
	if cfg.Shared != nil && cfg.Shared.Dial != nil && len(n.parts) > 1 && !cfg.ReadOnly {
		n.spreading.Go(func() { n.spread(n.serving) })
	}
	return n, nil
}

func (n *Node) release() error {
	n.leave()
	n.spreading.Wait()
	var errs []error
	for _, p := range n.parts {
		p.stop(mainstem.Errorf(mainstem.Stopped, "the database could not be opened"))
		errs = append(errs, p.release())
	}
	errs = append(errs, n.letGo(), n.hangUp())
	return errors.Join(errs...)
}

// typed makes an error that crosses the upper seam an Error.
func typed(err error, format string, args ...any) error {
	switch {
	case err == nil, mainstem.CodeOf(err) != 0:
		return err
	case errors.Is(err, journal.ErrCorrupt), errors.Is(err, store.ErrCorrupt):
		return mainstem.Errorf(mainstem.Corrupt, format+": %w", append(args, err)...)
	case errors.Is(err, journal.ErrTrimmed):
		return mainstem.Errorf(mainstem.Trimmed, format+": %w", append(args, err)...)
	case errors.Is(err, store.ErrClosed):
		return mainstem.Errorf(mainstem.Stopped, format+": the database is closed", args...)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return mainstem.Errorf(mainstem.Cancelled, format+": %w", append(args, err)...)
	default:
		return mainstem.Errorf(mainstem.Unavailable, format+": %w", append(args, err)...)
	}
}

// Done is closed when the node has stopped, by Close or by itself.
func (n *Node) Done() <-chan struct{} { return n.done }

// Err is why the node stopped by itself, or nil.
func (n *Node) Err() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.err
}

// fail ends the node because a disk failed under one partition: after a failed
// write or sync nothing that the operating system says of that disk can be
// believed, so all partitions stop, and opening again recovers from what is
// really there.
func (n *Node) fail(err error) {
	n.mu.Lock()
	already := n.err != nil || n.closed
	if !already {
		n.err = err
	}
	n.mu.Unlock()
	if already {
		return
	}
	n.cfg.Logger.Error("database stops", "err", err)
	for _, p := range n.parts {
		p.stop(mainstem.Errorf(mainstem.Stopped, "the database stopped: %w", err))
	}
	go func() {
		for _, p := range n.parts {
			<-p.stopped
		}
		if err := n.release(); err != nil {
			n.cfg.Logger.Warn("closing after a failure", "err", err)
		}
		close(n.done)
	}()
}

// Close stops every partition after what is under way, and releases the
// files. Waiting transactions end with Stopped.
func (n *Node) Close() error {
	n.mu.Lock()
	if n.closed || n.err != nil {
		n.mu.Unlock()
		<-n.done
		return nil
	}
	n.closed = true
	n.mu.Unlock()
	for _, p := range n.parts {
		p.stop(mainstem.Errorf(mainstem.Stopped, "the database is closed"))
	}
	for _, p := range n.parts {
		<-p.stopped
	}
	err := n.release()
	n.tellNews()
	close(n.done)
	return err
}

// partitionOf finds the partition of a group.
func (n *Node) partitionOf(group string) *partition {
	if len(n.parts) == 1 {
		return n.parts[0]
	}
	slot := int(mainstem.SlotOf(group))
	// The slots are shared out evenly: partition i ends at (i+1)*Slots/count.
	count := len(n.parts)
	i := slot * count / mainstem.Slots
	for (i+1)*mainstem.Slots/count <= slot {
		i++
	}
	return n.parts[i]
}

func (n *Node) listen() <-chan struct{} {
	n.newsMu.Lock()
	defer n.newsMu.Unlock()
	return n.news
}

func (n *Node) tellNews() {
	n.newsMu.Lock()
	defer n.newsMu.Unlock()
	close(n.news)
	n.news = make(chan struct{})
}
