package node

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/record"
)

// awayFor is for how many looks a node that did not answer is passed over.
const awayFor = 10

// spread hands over partitions while this node writes more of them than another
// one: one per look at most, and only while no node that lives writes more, so that
// what one hands over no other does. A difference of one is left alone: nothing
// flaps. The pace is the machine's own time, and decides nothing.
func (n *Node) spread(ctx context.Context) {
	every := cmp.Or(n.cfg.Shared.Spread, DefaultSpread)
	away := map[string]time.Time{} // when a node did not answer, by address
	alive := func(address string) bool {
		if time.Since(away[address]) < awayFor*every {
			return false
		}
		answers := n.answers(ctx, address)
		if !answers {
			away[address] = time.Now()
		}
		return answers
	}
	for sleep(ctx, every) {
		if p, to := n.shares().excess(n.cfg.Name, alive); p != nil {
			n.cfg.Logger.Info("a partition is handed over", "partition", p.id, "to", to)
			p.handTo.Store(&to)
			p.queue.poke()
		}
	}
}

// shares are how many partitions each node writes that others can reach.
type shares struct {
	count   map[string]int
	address map[string]string
	mine    []*partition
}

// shares are empty while some partition cannot be handed over, because its version
// has no word for it.
func (n *Node) shares() shares {
	s := shares{count: map[string]int{}, address: map[string]string{}}
	for _, p := range n.parts {
		if p.down() != nil {
			continue
		}
		t := p.applied()
		if !record.HandsOver(t.Version) {
			return shares{}
		}
		for _, m := range t.Members {
			if m.Address != "" {
				s.count[m.Name] += 0
				s.address[m.Name] = m.Address
			}
		}
		if s.address[t.Writer] != "" {
			s.count[t.Writer]++
		}
		if t.Writer == n.cfg.Name {
			s.mine = append(s.mine, p)
		}
	}
	return s
}

// excess is a partition that node me should hand over, and to whom.
func (s shares) excess(me string, alive func(address string) bool) (*partition, string) {
	lightest := slices.SortedFunc(maps.Keys(s.count), func(a, b string) int {
		return cmp.Or(cmp.Compare(s.count[a], s.count[b]), cmp.Compare(b, a))
	})
	for _, to := range lightest {
		switch {
		case len(s.mine)-s.count[to] < 2:
			return nil, ""
		case to == me || !alive(s.address[to]):
			continue
		}
		// Whoever comes after this node in the order writes more, or as much: that one
		// is to hand over.
		for _, heavier := range slices.Backward(lightest) {
			switch {
			case heavier == me:
				return s.mine[len(s.mine)-1], to
			case alive(s.address[heavier]):
				return nil, ""
			}
		}
	}
	return nil, ""
}

// answers reports whether the node at an address does.
func (n *Node) answers(ctx context.Context, address string) bool {
	peer, err := n.peer(address)
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, n.cfg.Shared.patience())
	defer cancel()
	s, err := peer.View(ctx, mainstem.ViewRequest{Group: n.probe(0), At: mainstem.Local()})
	return err == nil && s.Close() == nil
}

// errMoved is for what was not judged because another node writes the
// partition now.
var errMoved = errors.New("another node writes the partition now")

// way is how something came to the loop, which says what becomes of it when
// another node writes the partition.
type way int

const (
	// final: it is judged here, whoever writes.
	final way = iota
	// led: it came because this node wrote; it goes on to the one that does now.
	led
	// forwarded: another node sent it, and is told to send it elsewhere if it was
	// this node that handed the partition over: the sender will read so in the log.
	forwarded
)

// handsOver puts into a batch who is to write next, if this node was told to give
// the partition away, and still has it.
func (b *batch) handsOver() {
	if to := b.p.handTo.Swap(nil); to != nil && b.p.leads() && record.HandsOver(b.header.Version) {
		b.header.Successor = *to
	}
}

// handing reports whether the record under way hands the partition over: what comes
// meanwhile waits until it is known whether it did.
func (p *partition) handing() bool { return p.flight != nil && p.flight.header.Successor != "" }

// passOn keeps those of the transactions taken that are to be judged here.
func (p *partition) passOn(taken []*waiter) []*waiter {
	writer := p.ahead.Writer
	if writer == p.node.cfg.Name || writer == "" {
		p.gaveTo = ""
		return taken
	}
	kept := taken[:0]
	for _, w := range taken {
		if w.way == led || w.way == forwarded && writer == p.gaveTo {
			w.tell(answer{err: errMoved})
			continue
		}
		kept = append(kept, w)
	}
	clear(taken[len(kept):])
	return kept
}

// moves waits until another node writes the partition than this one, or for at most
// so long; it reports whether there is still somebody to wait.
func (p *partition) moves(ctx context.Context, writer string, most time.Duration) bool {
	timer := time.NewTimer(most)
	defer timer.Stop()
	for {
		news := p.node.listen()
		if p.applied().Writer != writer {
			return true
		}
		select {
		case <-news:
		case <-timer.C:
			return true
		case <-ctx.Done():
			return false
		}
	}
}
