package node

import (
	"context"
	"errors"
	"iter"
	"sync"

	"github.com/mainstemdb/mainstem"
)

// Direct is the node as other nodes see it: it decides everything by itself and
// forwards nothing, so that a request that was forwarded once is not again.
// Closing it does nothing.
func (n *Node) Direct() mainstem.Backend { return direct{n} }

type direct struct{ node *Node }

func (d direct) Commit(ctx context.Context, t *mainstem.Transaction) (*mainstem.Receipt, error) {
	p, err := d.node.admit(ctx, t)
	if err != nil {
		return nil, err
	}
	r, err := p.commit(ctx, t, forwarded)
	if errors.Is(err, errMoved) {
		return nil, mainstem.Errorf(mainstem.Unavailable, "partition %d was handed over to node %q", p.id, p.applied().Writer)
	}
	return r, err
}

func (d direct) View(ctx context.Context, r mainstem.ViewRequest) (mainstem.Snapshot, error) {
	return d.node.view(ctx, r, true)
}

func (d direct) Changes(ctx context.Context, from mainstem.From) iter.Seq2[mainstem.Batch, error] {
	return d.node.Changes(ctx, from)
}

func (d direct) Close() error { return nil }

// peers are the other nodes, by address.
type peers struct {
	mu   sync.Mutex
	open map[string]mainstem.Backend
}

func (n *Node) peer(address string) (mainstem.Backend, error) {
	n.peers.mu.Lock()
	defer n.peers.mu.Unlock()
	if b := n.peers.open[address]; b != nil {
		return b, nil
	}
	b, err := n.cfg.Shared.Dial(address)
	if err != nil {
		return nil, err
	}
	if n.peers.open == nil {
		n.peers.open = map[string]mainstem.Backend{}
	}
	n.peers.open[address] = b
	return b, nil
}

func (n *Node) hangUp() error {
	n.peers.mu.Lock()
	defer n.peers.mu.Unlock()
	var errs []error
	for _, b := range n.peers.open {
		errs = append(errs, b.Close())
	}
	n.peers.open = nil
	return errors.Join(errs...)
}

// errNoWriter says that the node that wrote last cannot be asked.
var errNoWriter = errors.New("the node that has written last has no address")

// errLeads says that this node wrote last, or nobody has.
var errLeads = errors.New("no other node has written last")

// writer is the node that wrote last, if it is another one that can be reached.
func (p *partition) writer() (mainstem.Backend, error) {
	tail := p.applied()
	if tail.Writer == p.node.cfg.Name || tail.Writer == "" {
		return nil, errLeads
	}
	m, ok := tail.Member(tail.Writer)
	if !ok || m.Address == "" || p.node.cfg.Shared.Dial == nil {
		return nil, errNoWriter
	}
	return p.node.peer(m.Address)
}

// sentOn is what came of sending a transaction on: an answer, or what this node is
// to judge itself.
type sentOn struct {
	receipt *mainstem.Receipt
	mine    *mainstem.Transaction
	came    way  // how it came to that says whether it may still go on
	open    bool // a copy may still be on its way to the log
}

// forward sends a transaction on to the node that wrote last. Where that fails,
// or there is none, this node is to judge it: under the same ID, so that it commits
// once, whichever copy comes first, and all copies are Networked, so that refusing one
// kills those that may still be on their way (L11).
func (p *partition) forward(ctx context.Context, t *mainstem.Transaction) (s sentOn, err error) {
	s.came = final
	for first := true; ; first = false {
		peer, err := p.writer()
		if err != nil {
			if errors.Is(err, errLeads) && first {
				s.came = led
			}
			s.mine = t
			return s, nil
		}
		if first {
			t = networked(t)
		}
		writer := p.applied().Writer
		patient, cancel := context.WithTimeout(ctx, p.node.cfg.Shared.patience())
		s.receipt, err = peer.Commit(patient, t)
		cancel()
		switch code := mainstem.CodeOf(err); {
		case err == nil, !silent(code):
			return s, err
		case ctx.Err() != nil && code != mainstem.Unavailable && code != mainstem.Stopped:
			return s, mainstem.Errorf(mainstem.Undecided, "transaction %s was forwarded to node %q: %w", t.ID, writer, ctx.Err())
		case code == mainstem.Undecided:
			s.open = true
		}
		p.counted.unforwarded.Add(1)
		if !p.moves(ctx, writer, p.node.cfg.Shared.pause()) {
			return s, mainstem.Errorf(mainstem.Undecided, "transaction %s was forwarded to node %q, and then: %w", t.ID, writer, ctx.Err())
		}
		if now := p.applied().Writer; !first || now == writer || now == p.node.cfg.Name {
			s.mine = t
			return s, nil
		}
		// Another node has taken over meanwhile.
	}
}

// networked is a transaction as it is sent on. Whatever the way to the other node is, it
// can be judged there after this node has given up waiting.
func networked(t *mainstem.Transaction) *mainstem.Transaction {
	copied := *t
	copied.Networked, copied.Attempt = true, max(1, t.Attempt)
	return &copied
}

// silent reports whether a node that answers so has not answered the request:
// it is away, or ends, or is damaged itself, which says nothing of others.
func silent(code mainstem.Code) bool {
	switch code {
	case mainstem.Unavailable, mainstem.Undecided, mainstem.Stopped, mainstem.Cancelled, mainstem.Corrupt:
		return true
	default:
		return false
	}
}
