package node

import (
	"context"
	"errors"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/state"
	"github.com/mainstemdb/mainstem/journal"
)

// cross goes over to the log that the newest record has named. There is no way back
// from that record: nothing is appended until this node is there, however long it
// takes, and what waits is judged there. What can still be appended to the log that
// was left, by a node that is behind, names a record that has a successor, and is
// void; only who has applied the move could name it, and appends nothing there.
func (p *partition) cross() {
	to, _ := p.tail.Moved()
	ctx, cancel := p.whileServing()
	defer cancel()
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := p.crossOnce(ctx, &to)
		switch {
		case err == nil, p.down() != nil:
			return
		case errors.Is(err, errCopyTrimmed):
			e := mainstem.Errorf(mainstem.Unavailable, "partition %d has moved to %s, and others have gone on there for long: %w", p.id, to.URL, err)
			e.Advice = "open it again: it finds its place in the new log"
			p.node.fail(e)
			return
		case mainstem.CodeOf(err) == mainstem.Corrupt:
			p.logger.Error("partition stops", "err", err)
			p.stop(err)
			return
		}
		p.logger.Warn("the log has moved, and the new one cannot be used yet; it is tried again", "to", to.URL, "err", err)
		if !sleep(ctx, pause) {
			return
		}
	}
}

// crossOnce brings the copy up to the record that has moved the log, and uses it.
// The node that began the move can be gone: whoever comes first does it.
func (p *partition) crossOnce(ctx context.Context, to *state.Generation) error {
	next, err := p.node.reachGeneration(ctx, p, to)
	if err != nil {
		return err
	}
	c, err := p.newCopier(ctx, next.raw)
	if err != nil {
		return err
	}
	if c.base != (journal.Head{Index: to.Base, Hash: to.BaseHash}) {
		return mainstem.Errorf(mainstem.Corrupt, "partition %d has moved to a log that begins behind record %d; the log at %s begins behind record %d (L2)", p.id, to.Base, to.URL, c.base.Index)
	}
	if err := c.advance(ctx, p.tail.Head.Index); err != nil {
		return err
	}
	if c.head.Index != p.tail.Head.Index || c.head.Hash != p.tail.Head.Hash {
		return mainstem.Errorf(mainstem.Corrupt, "the log of partition %d ends in record %d with hash %s, and its copy has record %d with hash %s there (L2)",
			p.id, p.tail.Head.Index, p.tail.Head.Hash, c.head.Index, c.head.Hash)
	}
	p.use(next, c.head)
	return nil
}

// use goes on in another log, behind the copy of the record that has moved the log.
func (p *partition) use(next *generation, head journal.Head) {
	next.adopt(p.tail)
	t := *p.tail
	t.Head.Slot = head.Slot
	p.tail = &t
	p.rewind()
	p.pace.each = 0
	old := p.on.Swap(next)
	p.deposits.forget()
	p.node.take(next.id, p.id)
	p.scanned.Store(head.Slot)
	p.seen.Store(head.Slot)
	if began := p.movedAt; !began.IsZero() {
		p.paused.Store(int64(time.Since(began)))
		p.movedAt = time.Time{}
	}
	p.logger.Info("the log has moved", "behind", head.Index, "generation", next.id)
	if !old.shared {
		p.council.introduce = true
		go p.followLog()
	}
	p.leaving.Go(func() {
		if err := old.Close(); err != nil {
			p.logger.Warn("closing the log that was left", "err", err)
		}
	})
	p.node.tellNews()
}
