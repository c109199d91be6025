package node

import (
	"context"
	"errors"
	"sync"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/internal/state"
	"github.com/mainstemdb/mainstem/journal"
)

// targets are the databases that moves are to go to, or have gone to, by their
// generation: opened once for all partitions.
type targets struct {
	mu   sync.Mutex
	open map[record.UUID]*reached
}

// reached is one. The logs that are taken are their partitions' to close.
type reached struct {
	*journal.Database
	taken []bool
	// named says that a record has moved a partition there: it is no move's to give up.
	named bool
}

func (r *reached) close() error {
	var errs []error
	for i, log := range r.Logs {
		if !r.taken[i] {
			errs = append(errs, log.Close())
		}
	}
	return errors.Join(errs...)
}

// reach opens the database at a URL, or finds it opened.
func (n *Node) reach(ctx context.Context, url string) (*reached, error) {
	self := n.cfg.Shared
	if self == nil || self.Reach == nil {
		e := mainstem.Errorf(mainstem.Invalid, "the database moves, or has moved, to %s, and this node has no way to other logs", url)
		e.Advice = "start it with that log, and a name and an address for other nodes"
		return nil, e
	}
	db, err := self.Reach(ctx, url)
	if err != nil {
		return nil, typed(err, "the log at %s", url)
	}
	r := &reached{Database: db, taken: make([]bool, len(db.Logs))}
	if len(db.Logs) != n.cfg.Partitions {
		wrong := mainstem.Errorf(mainstem.Invalid, "the log at %s has %d partitions, the database %d; the count is fixed when a log is made", url, len(db.Logs), n.cfg.Partitions)
		return nil, errors.Join(wrong, r.close())
	}
	n.targets.mu.Lock()
	defer n.targets.mu.Unlock()
	if known := n.targets.open[db.ID]; known != nil {
		return known, r.close()
	}
	if n.targets.open == nil {
		n.targets.open = map[record.UUID]*reached{}
	}
	n.targets.open[db.ID] = r
	return r, nil
}

// reachGeneration opens the log of a partition that a record has named.
func (n *Node) reachGeneration(ctx context.Context, p *partition, to *state.Generation) (*generation, error) {
	r := n.named(to.Generation)
	if r == nil {
		found, err := n.reach(ctx, to.URL)
		if err != nil {
			return nil, err
		}
		if found.ID != to.Generation {
			e := mainstem.Errorf(mainstem.Invalid, "the log at %s is %x, and partition %d has moved to %s", to.URL, found.ID, p.id, to.Generation)
			e.Advice = "bring back the log that the database has moved to"
			return nil, errors.Join(e, n.forget(found.ID))
		}
		if r = n.named(to.Generation); r == nil {
			return nil, mainstem.Errorf(mainstem.Unavailable, "the log at %s was closed by a move that was given up", to.URL)
		}
	}
	return &generation{
		Log: r.Logs[p.id], raw: r.Logs[p.id], id: to.Generation, shared: true, blobs: r.Blobs, guarantees: r.Guarantees,
	}, nil
}

// named finds the database of a generation that a record has named, if it is open, and
// keeps it so.
func (n *Node) named(id record.UUID) *reached {
	n.targets.mu.Lock()
	defer n.targets.mu.Unlock()
	r := n.targets.open[id]
	if r != nil {
		r.named = true
	}
	return r
}

// take says that a log is its partition's from now on.
func (n *Node) take(id record.UUID, partition int) {
	n.targets.mu.Lock()
	defer n.targets.mu.Unlock()
	n.targets.open[id].taken[partition] = true
}

// forget closes a database that was reached for nothing.
func (n *Node) forget(id record.UUID) error {
	n.targets.mu.Lock()
	defer n.targets.mu.Unlock()
	r := n.targets.open[id]
	if r == nil || r.named {
		return nil
	}
	for _, taken := range r.taken {
		if taken {
			return nil
		}
	}
	delete(n.targets.open, id)
	return r.close()
}

// letGo closes what no partition has taken.
func (n *Node) letGo() error {
	n.targets.mu.Lock()
	defer n.targets.mu.Unlock()
	var errs []error
	for _, r := range n.targets.open {
		errs = append(errs, r.close())
	}
	n.targets.open = nil
	return errors.Join(errs...)
}

// prepare tries whether this node reaches the log that is to be moved to, and has
// the next record of this node say so.
func (p *partition) prepare(to *record.Target) {
	if !p.shared() {
		return // nobody waits for it
	}
	go func() {
		ctx, cancel := p.whileServing()
		defer cancel()
		r, err := p.node.reach(ctx, to.URL)
		if err == nil && r.ID != to.Generation {
			err = mainstem.Errorf(mainstem.Invalid, "the log at %s is %x, not %s", to.URL, r.ID, to.Generation)
		}
		if err != nil {
			p.logger.Warn("the database is to move to a log that this node does not reach", "to", to.URL, "err", err)
			return
		}
		p.reaches.Store(&to.Generation)
		p.queue.poke()
	}()
}
