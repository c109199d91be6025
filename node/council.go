package node

import (
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/record"
)

// council is what a node knows of digests, its own and those of others. A node
// whose digest differs from a recorded one says so in a record, and with it what
// it has; every node then says what it has; and what more than half of the
// members have is right: the others stop (L12). Only the loop touches it, but for
// found, through which the sweeper hands over.
type council struct {
	found chan record.Vote
	// own are the newest digests of this node, by the index that they settle.
	own map[uint64]record.Vote
	// recorded is the newest digest that a record has settled. It can be there before
	// this node's own.
	recorded record.Checkpoint
	// told is the last index for which a vote of this node was appended.
	told uint64
	vote *record.Vote
	// since is when nodes began to disagree.
	since time.Time
	// announced is the index up to which this node said that its disk has the state.
	announced uint64
	// reached is the generation that this node said it reaches; introduce has it speak
	// of itself in any case.
	reached   record.UUID
	introduce bool
}

// digestsKept is of how many checkpoints a node remembers its own digest.
const digestsKept = 64

func (c *council) init() {
	c.found, c.own = make(chan record.Vote, digestsKept), map[uint64]record.Vote{}
}

// learn takes over what the sweeper has found.
func (c *council) learn() {
	for {
		select {
		case v := <-c.found:
			c.own[v.Settled] = v
			for index := range c.own {
				if len(c.own) > digestsKept && index+digestsKept < v.Settled {
					delete(c.own, index)
				}
			}
		default:
			return
		}
	}
}

// settle deals with what an applied record says of digests, whoever wrote it.
func (p *partition) settle(h *record.Header) {
	c := &p.council
	c.learn()
	if h.Checkpoint != nil {
		p.sweeper.begin(p.store.Snapshot(), p.tail)
	}
	if h.Prepare != nil && p.running {
		p.pace.set(time.Duration(h.Prepare.Pace))
	}
	if !p.shared() {
		return
	}
	if k := h.Checkpoint; k != nil && k.Settled != 0 {
		c.recorded = *k
		p.compare()
	}
	if h.Member != nil && h.Member.Gone && h.Node == p.node.cfg.Name && p.running {
		p.logger.Warn("this node was forgotten, and is a member again")
		c.introduce = true
		p.queue.poke()
	}
	if h.Vote != nil {
		p.vote(h.Vote.Settled)
	}
	if h.Prepare != nil && h.Node != p.node.cfg.Name && p.running {
		p.prepare(h.Prepare)
	}
}

// compare holds this node's digest to the newest recorded one, once both are there.
func (p *partition) compare() {
	c, k := &p.council, &p.council.recorded
	own, known := c.own[k.Settled]
	if !known || own.Digest == k.Digest || c.told >= k.Settled || c.vote != nil {
		return
	}
	p.logger.Error("the state of this node differs from that of the node that wrote", "index", k.Settled, "range", k.Range)
	c.vote = &own
}

// vote says what this node has of a contested digest, and goes by what most have.
func (p *partition) vote(settled uint64) {
	c, t := &p.council, p.tail
	own, known := c.own[settled]
	if known && c.told < settled {
		c.vote = &own
	}
	switch d := t.Decided; {
	case d.Settled == settled && known && own.Digest != d.Digest:
		p.sick("range %d of its state just after record %d has digest %x, and most nodes have %x", d.Range, settled, own.Digest, d.Digest)
	case d.Settled == settled:
		p.logger.Warn("what most nodes have is right", "index", settled, "range", d.Range)
		c.since = time.Time{}
	case t.Split():
		p.sick("nodes do not agree on the state just after record %d, and none has most of them behind it", settled)
	case c.since.IsZero():
		c.since = time.Now()
	}
}

// voteLate deals with a digest of this node that comes after it was wanted, by a
// record or by another's vote: nobody asks twice.
func (p *partition) voteLate() {
	p.compare()
	c, votes := &p.council, p.tail.Votes
	if len(votes) == 0 || c.vote != nil {
		return
	}
	if own, known := c.own[votes[0].Settled]; known && c.told < own.Settled {
		c.vote = &own
	}
}

func (p *partition) sick(format string, args ...any) {
	e := mainstem.Errorf(mainstem.Corrupt, "partition %d of node %q stops: "+format+" (L12)", append([]any{p.id, p.node.cfg.Name}, args...)...)
	e.Advice = "what this node has written since is in the log and should be looked at; move its state aside and let it begin anew"
	p.logger.Error("partition stops", "err", e)
	p.stop(e)
}

// contested reports whether nodes do not agree, so that nothing is to be decided
// on what one of them has.
func (p *partition) contested() bool {
	if len(p.tail.Votes) == 0 {
		return false
	}
	if since := p.council.since; !since.IsZero() && time.Since(since) > LimitContested {
		p.sick("nodes have not agreed for %s on the state just after record %d", LimitContested, p.tail.Votes[0].Settled)
	}
	return true
}

// take hands over what waits, unless nothing may be decided now.
func (p *partition) take(b *batch) []*waiter {
	if p.council.vote != nil || p.contested() || p.handing() {
		return nil
	}
	p.taken = p.queue.take(p.taken[:0], b.room, p.ripe())
	if p.shared() {
		return p.passOn(p.taken)
	}
	return p.taken
}

// speak puts into a batch what this node has to say of itself and of digests.
func (b *batch) speak() {
	c := &b.p.council
	c.learn()
	b.p.voteLate()
	b.handsOver()
	if c.vote != nil {
		b.header.Vote, c.told, c.vote = c.vote, c.vote.Settled, nil
	}
	flushed, reaches := max(b.p.flushed.Load(), c.announced), c.reached
	if r := b.p.reaches.Load(); r != nil {
		reaches = *r
	}
	if flushed > c.announced || reaches != c.reached || c.introduce {
		b.header.Member = b.p.node.cfg.Shared.member(flushed)
		b.header.Member.Reaches = reaches
		c.announced, c.reached, c.introduce = flushed, reaches, false
	}
}

// unspeak takes back what a batch said that is not in the log.
func (b *batch) unspeak() {
	c := &b.p.council
	if v := b.header.Vote; v != nil && c.vote == nil {
		c.vote, c.told = v, v.Settled-1
	}
	if b.header.Member != nil && b.notice == nil {
		c.introduce = true
	}
	b.unnotice()
}
