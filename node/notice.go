package node

import (
	"time"

	"github.com/mainstemdb/mainstem/internal/record"
)

// notice is what a record without transactions is to say of a move, or of a member that
// is gone. It is appended again until it is in the log, or withdrawn.
type notice struct {
	prepare, moved *record.Target
	gone           string        // the member
	told           chan struct{} // closed when it is in the log
	// from is where a move begins: another move can come first, and then this one is
	// not what was asked for.
	from record.UUID
	// flying is the loop's own: a batch carries it.
	flying bool
}

// noticePause is how long after a lost race a notice is tried again.
const noticePause = time.Millisecond

// give has the loop append a notice.
func (p *partition) give(n *notice) {
	p.notice.Store(n)
	p.queue.poke()
}

// withdraw takes a notice back; it may be on its way to the log.
func (p *partition) withdraw(n *notice) {
	if n != nil {
		p.notice.CompareAndSwap(n, nil)
	}
}

// announce makes a batch of a notice, if there is one that no batch carries.
func (p *partition) announce() *batch {
	n := p.notice.Load()
	if n == nil || n.flying || p.contested() || n.moved != nil && current(p.ahead) != n.from {
		return nil
	}
	if _, member := p.ahead.Member(n.gone); n.gone != "" && !member {
		return nil // another node was first
	}
	b := &batch{p: p, notice: n}
	b.now()
	b.header.Prepare, b.header.Moved = n.prepare, n.moved
	if n.gone != "" {
		// A member speaks under its own name; of one that is gone others do.
		b.header.Node, b.header.Member = n.gone, &record.Member{Gone: true}
	}
	if n.moved != nil {
		p.movedAt = time.Now()
	}
	n.flying = true
	return b
}

// noticed ends a notice that is in the log.
func (b *batch) noticed() {
	if b.notice != nil {
		b.p.notice.CompareAndSwap(b.notice, nil)
		close(b.notice.told)
	}
}

// unnotice lets a notice be given again whose batch is not in the log.
func (b *batch) unnotice() {
	if b.notice != nil {
		b.notice.flying = false
		time.AfterFunc(noticePause, b.p.queue.poke)
	}
}

// Pace of a move (L10).
const (
	// LimitPace is the most that a move has nodes let pass from one record to the next.
	LimitPace = 100 * time.Millisecond
	// paceFor is how long that holds unless it is said again, every paceEvery.
	paceFor   = 10 * time.Second
	paceEvery = 5 * time.Second
)

// pace is how long a partition lets pass between records while the copy of its log
// catches up. What comes meanwhile goes into one record: there are fewer to copy.
type pace struct {
	each     time.Duration
	until    time.Time
	launched time.Time
}

func (c *pace) set(each time.Duration) {
	c.each, c.until = min(each, LimitPace), time.Now().Add(paceFor)
}

// left is how long the next record has to wait.
func (c *pace) left() time.Duration {
	if c.each == 0 {
		return 0
	}
	now := time.Now()
	if now.After(c.until) {
		c.each = 0
		return 0
	}
	return c.launched.Add(c.each).Sub(now)
}
