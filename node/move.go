package node

import (
	"context"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/record"
	"github.com/mainstemdb/mainstem/journal"
)

// The steps of a move, in their order. Up to MoveSnapshot a move can be given up at
// any moment, and nothing has happened but a copy; from MoveCommit on it only goes
// forward, and whoever finds the record of it goes on with it.
const (
	MoveCopy     = "copy"     // the log is copied while it grows
	MoveConfirm  = "confirm"  // every member says that it reaches the copy
	MoveSnapshot = "snapshot" // a log that was trimmed needs one, for nodes to come
	MoveCommit   = "commit"   // the record that names the new log is on its way
	MoveDone     = "done"
)

// MoveProgress is how far a move is.
type MoveProgress struct {
	Step      string
	Partition int
	// Copied are the records that this node has copied, Lag how many are left.
	Copied, Lag uint64
	// Missing are the members that have not said yet that they reach the new log.
	Missing []string
}

// Moved is what a move has come to.
type Moved struct {
	// Generation is that of the log that the database is in now, in hex.
	Generation string
	// Copied are the records that this node has copied.
	Copied uint64
	// WritePause is the longest that writes of one partition have waited for the
	// move; 0 where there was nothing left to move.
	WritePause time.Duration
}

const (
	// LimitURL is the most bytes of the URL of a log.
	LimitURL = record.LimitURL
	// moveClose is how many records a copy may lack when the log is moved.
	moveClose = 64
	// moveChunk is how many records are copied between two reports.
	moveChunk = 1024
	// LimitConfirm is for how many times the patience with other nodes a move waits
	// for one that does not reach the new log. Then it is given up.
	LimitConfirm = 5
)

// Move moves the database to the log at url, while it serves: an empty one, or the
// copy that an earlier move has begun. Positions, tokens, IDs and leases stay as
// they are. An error before the commit has changed nothing; Undecided says that the
// record of the move may be in the log, and to repeat the call, which goes on with
// what was begun. Where the database is there already, nothing is done.
func (n *Node) Move(ctx context.Context, url string, progress func(MoveProgress)) (*Moved, error) {
	switch {
	case n.cfg.ReadOnly:
		return nil, mainstem.Errorf(mainstem.Denied, "the database is open read-only")
	case url == "" || len(url) > LimitURL:
		return nil, mainstem.Errorf(mainstem.Invalid, "the URL of the log has %d bytes; it may have 1 to %d", len(url), LimitURL)
	case !n.moving.TryLock():
		return nil, mainstem.Errorf(mainstem.InProgress, "this node is moving the database already, or forgets another node")
	}
	defer n.moving.Unlock()
	r, err := n.reach(ctx, url)
	if err != nil {
		return nil, err
	}
	m := &mover{node: n, to: r, url: url, progress: progress}
	err = m.run(ctx)
	if err != nil && !m.committed {
		if left := n.forget(r.ID); left != nil {
			n.cfg.Logger.Warn("closing the log of a move that was given up", "err", left)
		}
	}
	if err != nil {
		return nil, err
	}
	done := &Moved{Generation: hex.EncodeToString(r.ID[:]), WritePause: m.pause}
	for _, c := range m.copies {
		done.Copied += c.copied
	}
	m.tell(MoveDone, n.parts[0], 0, nil)
	return done, nil
}

// mover is one move.
type mover struct {
	node      *Node
	to        *reached
	url       string
	progress  func(MoveProgress)
	copies    []*copier // of the partitions that are not there yet
	committed bool      // the record of a partition may be in its log
	pause     time.Duration
}

func (m *mover) tell(step string, p *partition, lag uint64, missing []string) {
	var copied uint64
	for _, c := range m.copies {
		copied += c.copied
	}
	m.progress(MoveProgress{Step: step, Partition: p.id, Copied: copied, Lag: lag, Missing: missing})
}

func (m *mover) run(ctx context.Context) error {
	for _, p := range m.node.parts {
		// What is asked of a node that is behind must not be answered by what it has.
		if _, err := p.attain(ctx, mainstem.Latest(), false); err != nil {
			return err
		}
		if current(p.applied()) == m.to.ID {
			if err := p.unmoved(ctx); err != nil {
				return err
			}
		}
		tail := p.applied()
		switch {
		case current(tail) == m.to.ID:
			continue // an earlier move came so far
		case left(tail, m.to.ID):
			return mainstem.Errorf(mainstem.Invalid, "partition %d has left the log at %s before: a log is moved to once", p.id, m.url)
		}
		c, err := p.newCopier(ctx, m.to.Logs[p.id])
		if err != nil {
			return err
		}
		c.home, c.begun = current(tail), tail.Head.Index
		defer func() { p.withdraw(c.prepared) }()
		m.copies = append(m.copies, c)
		p.keepLog.Add(1)
		defer p.keepLog.Add(-1)
	}
	for _, c := range m.copies {
		if err := m.copy(ctx, c, MoveCopy, nil); err != nil {
			return err
		}
	}
	if err := m.confirm(ctx); err != nil {
		return err
	}
	if err := m.snapshot(ctx); err != nil {
		return err
	}
	for _, c := range m.copies {
		if err := m.commit(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// unmoved has the log itself say where it ends. Who has written last tells of transactions,
// and the record of a move has none: a node that has all of them can still be behind it.
// While others write they come first now and then, and it is tried again.
func (p *partition) unmoved(ctx context.Context) error {
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		_, err := p.attain(ctx, mainstem.Latest(), true)
		if mainstem.CodeOf(err) != mainstem.Overloaded || !sleep(ctx, pause/2+rand.N(pause)) {
			return err
		}
	}
}

// copy brings a copy close to the end of a log that grows. What was there when the
// move began is copied as fast as it goes; what comes after that can be more than the
// new engine takes, so nodes are told to put it into fewer records.
func (m *mover) copy(ctx context.Context, c *copier, step string, missing []string) error {
	for {
		began, from := time.Now(), c.head.Index
		end := c.p.applied().Head.Index
		if err := c.advance(ctx, min(end, c.head.Index+moveChunk)); err != nil {
			return err
		}
		if n := c.head.Index - from; n > 0 {
			c.each = time.Since(began) / time.Duration(n)
		}
		lag := c.p.applied().Head.Index - c.head.Index
		m.tell(step, c.p, lag, missing)
		if lag <= moveClose {
			return nil
		}
		if c.head.Index >= c.begun {
			m.prepare(c)
		}
	}
}

// prepare says in the log where it is to move, and at which pace it may grow: half of
// that of the copy.
func (m *mover) prepare(c *copier) {
	if c.prepared != nil && time.Since(c.preparedAt) < paceEvery {
		return
	}
	to := c.target(m)
	to.Pace = int64(min(2*c.each, LimitPace))
	c.prepared, c.preparedAt = &notice{prepare: to, told: make(chan struct{})}, time.Now()
	c.p.give(c.prepared)
}

// confirm has every member say, in a record, that it reaches the new log.
func (m *mover) confirm(ctx context.Context) error {
	patience := LimitConfirm * m.node.cfg.Shared.patience()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, c := range m.copies {
		for {
			m.prepare(c)
			news := m.node.listen()
			missing, given := c.p.missing(m.to.ID), isClosed(c.prepared.told)
			if err := m.copy(ctx, c, MoveConfirm, missing); err != nil && ctx.Err() == nil {
				return err // told also where all have said it already: who watches sees each step
			}
			if given && len(missing) == 0 {
				break
			}
			select {
			case <-news:
			case <-c.p.stopping:
				return mainstem.Errorf(mainstem.Stopped, "partition %d stops: %w; nothing has moved", c.p.id, c.p.reason)
			case <-ctx.Done():
			}
			if ctx.Err() != nil && len(missing) > 0 {
				e := mainstem.Errorf(mainstem.Unavailable, "members that did not say within %s that they reach the log at %s: %s; nothing has moved", patience, m.url, strings.Join(missing, ", "))
				e.Advice = "let them reach it, start those that are down, or have those forgotten that are lost (mainstem cluster forget), and move again"
				return e
			}
			if err := ctx.Err(); err != nil {
				return mainstem.Errorf(mainstem.Unavailable, "preparing the move: %w; nothing has moved", err)
			}
		}
	}
	return nil
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// missing are the members that have not said that they reach a generation.
func (p *partition) missing(id record.UUID) []string {
	var names []string
	for _, member := range p.applied().Members {
		if member.Name != p.node.cfg.Name && member.Reaches != id {
			names = append(names, member.Name)
		}
	}
	return names
}

// snapshot is what nodes to come begin with where the new log does not begin with the
// first record: it is in the new engine's store, and read back, before the move.
func (m *mover) snapshot(ctx context.Context) error {
	for _, c := range m.copies {
		if c.base.Index == 0 {
			continue
		}
		m.tell(MoveSnapshot, c.p, 0, nil)
		if err := m.carry(ctx, c.p); err != nil {
			return typed(err, "a snapshot of partition %d for the new log", c.p.id)
		}
	}
	return nil
}

// carry puts a snapshot of a partition where nodes of the new log will look for it.
func (m *mover) carry(ctx context.Context, p *partition) error {
	blobs := m.node.cfg.Snapshots
	if blobs == nil {
		blobs = m.to.Blobs
	}
	if blobs == nil {
		e := mainstem.Errorf(mainstem.Invalid, "its log does not begin with the first record, and there is no store where a node to come would find a snapshot")
		e.Advice = "give the nodes a store of snapshots"
		return e
	}
	if err := p.snapshot(ctx); err != nil {
		return err
	}
	_, _, err := p.copyTo(ctx, blobs)
	return err
}

func (c *copier) target(m *mover) *record.Target {
	return &record.Target{Generation: m.to.ID, URL: m.url, Base: c.base.Index, BaseHash: c.base.Hash}
}

// commit appends the record that names the new log, and waits until this node is there.
func (m *mover) commit(ctx context.Context, c *copier) error {
	p := c.p
	if err := m.copy(ctx, c, MoveCommit, nil); err != nil {
		return err
	}
	m.committed = true
	n := &notice{moved: c.target(m), from: c.home, told: make(chan struct{})}
	p.give(n)
	defer p.withdraw(n)
	for {
		news := m.node.listen()
		if g := p.log(); g.id == m.to.ID {
			m.pause = max(m.pause, time.Duration(p.paused.Load()))
			return nil
		}
		if tail := p.applied(); current(tail) != c.home && current(tail) != m.to.ID {
			to, _ := tail.Moved()
			return mainstem.Errorf(mainstem.Conflict, "partition %d has moved to %s, by another move that came first", p.id, to.URL)
		}
		select {
		case <-news:
		case <-m.node.done:
			return mainstem.Errorf(mainstem.Undecided, "the database was closed while partition %d moved", p.id)
		case <-p.stopping:
			return mainstem.Errorf(mainstem.Undecided, "partition %d stopped while it moved: %w", p.id, p.reason)
		case <-ctx.Done():
			return mainstem.Errorf(mainstem.Undecided, "whether partition %d has moved is not known: %w", p.id, ctx.Err())
		}
	}
}

var _ journal.Log = (*generation)(nil)
