package node

import (
	"context"
	"slices"
	"strings"

	"github.com/mainstemdb/mainstem"
)

// Forget takes a member that is lost for good out of the database, by a record of each
// partition: it is counted no more where most members have to agree (L12), and no
// version and no move waits for it. One that answers is not lost, and is Invalid to
// forget; one that comes back all the same is a member again, of that name, as soon as
// it has read so. Undecided says that some of the records may be in the log, and
// to repeat the call.
func (n *Node) Forget(ctx context.Context, name string) error {
	switch {
	case n.cfg.ReadOnly:
		return mainstem.Errorf(mainstem.Denied, "the database is open read-only")
	case n.cfg.Shared == nil:
		return mainstem.Errorf(mainstem.Invalid, "this node is alone on its log: there is no other one to forget")
	case name == n.cfg.Name:
		return mainstem.Errorf(mainstem.Invalid, "node %q does not forget itself: stop it, and ask another one", name)
	case !n.moving.TryLock():
		return mainstem.Errorf(mainstem.InProgress, "this node is moving the database, or forgets another node")
	}
	defer n.moving.Unlock()
	known := false
	var names []string
	for _, p := range n.parts {
		if _, err := p.attain(ctx, mainstem.Latest(), false); err != nil {
			return err
		}
		for _, m := range p.applied().Members {
			names = append(names, m.Name)
			if m.Name != name {
				continue
			}
			if known = true; m.Address != "" && n.answers(ctx, m.Address) {
				e := mainstem.Errorf(mainstem.Invalid, "node %q is not lost: it answers at %s", name, m.Address)
				e.Advice = "stop it first; forget it if it does not come back"
				return e
			}
		}
	}
	if !known {
		return mainstem.Errorf(mainstem.Invalid, "no node has the name %q; there are: %s", name, strings.Join(slices.Compact(slices.Sorted(slices.Values(names))), ", "))
	}
	for _, p := range n.parts {
		if err := p.forget(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// forget has one partition record that a member is gone.
func (p *partition) forget(ctx context.Context, name string) error {
	gone := &notice{gone: name, told: make(chan struct{})}
	p.give(gone)
	defer p.withdraw(gone)
	for {
		news := p.node.listen()
		if _, member := p.applied().Member(name); !member {
			return nil
		}
		select {
		case <-news:
		case <-p.stopping:
			return mainstem.Errorf(mainstem.Undecided, "partition %d stopped while node %q was forgotten: %w", p.id, name, p.reason)
		case <-ctx.Done():
			return mainstem.Errorf(mainstem.Undecided, "whether partition %d has forgotten node %q is not known: %w", p.id, name, ctx.Err())
		}
	}
}
