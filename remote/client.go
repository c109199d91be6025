package remote

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/wire"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
)

// client is the Backend: a few servers of one database, one of them preferred.
type client struct {
	config
	servers []*server
	first   atomic.Uint32   // index, modulo their number, of the one that is asked first
	life    context.Context // ends with Close
	end     context.CancelCauseFunc
	zones   zones
}

var errClosed = &mainstem.Error{Code: mainstem.Stopped, Message: "this client is closed"}

// each asks one server after the other until one has an answer for the caller:
// ask says whether it has, or whether another may be asked.
func (c *client) each(ask func(*server) (answered bool, err error)) error {
	return c.among(c.turns(), ask)
}

// turns are the servers in the order in which they are asked, the preferred one first.
func (c *client) turns() []*server {
	if len(c.servers) == 1 {
		return c.servers
	}
	first := c.first.Load() % uint32(len(c.servers))
	return slices.Concat(c.servers[first:], c.servers[:first])
}

// among is each of these servers.
func (c *client) among(servers []*server, ask func(*server) (answered bool, err error)) error {
	var failed error = errClosed
	for _, s := range servers {
		if c.life.Err() != nil {
			return errClosed
		}
		answered, err := ask(s)
		if answered {
			return err
		}
		failed = err
		c.passOver(s)
	}
	return failed
}

// passOver has the next caller begin with the next server, if this one is preferred.
func (c *client) passOver(s *server) {
	if first := c.first.Load(); c.servers[first%uint32(len(c.servers))] == s {
		c.first.CompareAndSwap(first, first+1)
	}
}

// elsewhere reports whether another server may know better: this one did nothing,
// and says that it cannot. What is damaged at one node of a cluster is whole at the
// others.
func elsewhere(err error) bool {
	switch mainstem.CodeOf(err) {
	case mainstem.Unavailable, mainstem.Stopped, mainstem.Corrupt:
		return true
	default:
		return false
	}
}

// Commit sends the transaction once. It goes on to another server only where this
// one cannot have run it.
func (c *client) Commit(ctx context.Context, t *mainstem.Transaction) (receipt *mainstem.Receipt, err error) {
	if err := t.Validate(); err != nil {
		return nil, err
	}
	err = c.each(func(s *server) (bool, error) {
		lane, err := s.lanes.get(ctx)
		if err != nil {
			return mainstem.CodeOf(err) != mainstem.Unavailable, err
		}
		receipt, err = lane.submit(ctx, t, c.timeout)
		if mainstem.CodeOf(err) == mainstem.Denied && lane.outdated() {
			if lane, err = s.lanes.get(ctx); err != nil {
				return mainstem.CodeOf(err) != mainstem.Unavailable, err
			}
			receipt, err = lane.submit(ctx, t, c.timeout)
		}
		return !elsewhere(err), err
	})
	return receipt, err
}

// View opens a view on the first server that can.
func (c *client) View(ctx context.Context, r mainstem.ViewRequest) (s mainstem.Snapshot, err error) {
	if r.Group != "" {
		if err := mainstem.CheckGroup(r.Group); err != nil {
			return nil, err
		}
	}
	if err := r.ID.Validate(); err != nil {
		return nil, err
	}
	if wire.Consistency(r.At) == nil {
		return nil, mainstem.Errorf(mainstem.Invalid, "a read names its consistency: Latest, AtLeast, Within, AsOf, AsOfTime or Local")
	}
	opening, cancel := context.WithTimeoutCause(ctx, c.timeout, errTimeout)
	defer cancel()
	if s, err = c.hedged(opening, r); err != nil && ctx.Err() == nil && errors.Is(err, errTimeout) {
		return nil, mainstem.Errorf(mainstem.Unavailable, "no server opened a view within %s: %w", c.timeout, errTimeout)
	}
	return s, err
}

// Close ends everything, feeds and views too. Transactions that wait for an answer
// are undecided.
func (c *client) Close() error {
	c.end(errClosed)
	c.zones.wait()
	for _, s := range c.servers {
		s.lanes.close()
		s.idle()
	}
	return nil
}

func (c *client) status(ctx context.Context) (status *Status, err error) {
	err = c.each(func(s *server) (bool, error) {
		m, err := call(ctx, s, c.timeout, s.rpc.Status, &pb.StatusRequest{})
		if err != nil {
			err := wire.Failure(err, mainstem.Unavailable)
			return !elsewhere(err), err
		}
		status = statusOf(s.address, m)
		return true, nil
	})
	return status, err
}
