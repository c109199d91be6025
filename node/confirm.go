package node

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/state"
)

// attain brings the state of a partition to what a level demands (L8). Alone on
// its log, a node has applied all there is. On a shared log only a proof tells,
// that of the node that wrote last, or where direct or where that fails, the
// log's own. It tells whether the state had to catch up for that.
func (p *partition) attain(ctx context.Context, at mainstem.Consistency, direct bool) (waited bool, err error) {
	if newest := p.newest.Load(); !p.shared() && (newest == nil || !left(newest.tail, p.log().id)) {
		return false, nil // on a log that it has moved to, others can be already
	}
	if err := p.down(); err != nil {
		return false, err
	}
	switch at.Level {
	case mainstem.LevelLocal:
		return false, nil
	case mainstem.LevelWithin:
		if proved := p.proved.Load(); proved != nil && time.Since(*proved) <= at.Staleness {
			return false, nil
		}
	case mainstem.LevelAtLeast:
		if p.has(at.Token) {
			return false, nil
		}
	case mainstem.LevelAsOf:
		if at.Position <= p.applied().Last {
			return false, nil
		}
	}
	began, before := time.Now(), p.applied().Last
	if err := p.confirm(ctx, direct); err != nil {
		return false, err
	}
	p.prove(began)
	return p.applied().Last > before, nil
}

// has reports whether all that a token has seen of this partition is applied.
func (p *partition) has(t mainstem.Token) bool {
	rows, release, tail, err := p.reading()
	if err != nil {
		return false
	}
	defer release()
	c := cut{p: p, Reading: state.Reading{Rows: rows, Tail: tail}}
	return c.atLeast(t) == nil
}

// prove notes that what is applied was the tail at some moment after began.
func (p *partition) prove(began time.Time) {
	for {
		last := p.proved.Load()
		if last != nil && !last.Before(began) || p.proved.CompareAndSwap(last, &began) {
			return
		}
	}
}

// confirm returns when everything that was in the log at some moment after the
// call is applied.
func (p *partition) confirm(ctx context.Context, direct bool) error {
	for tries := 0; ; tries++ {
		came := final
		if !direct {
			err := p.ask(ctx)
			if err == nil {
				return nil
			}
			if errors.Is(err, errLeads) && tries < LimitRaces {
				came = led
			}
		}
		if err := ctx.Err(); err != nil {
			return typed(err, "confirming the tail of partition %d", p.id)
		}
		if _, err := p.await(ctx, newWaiter(nil, 64, came)); !errors.Is(err, errMoved) {
			return err
		}
	}
}

// ask has the node that wrote last say how far the log is, and waits until that is
// applied here. Calls at the same time share a question, but none joins one that
// was asked before it came.
func (p *partition) ask(ctx context.Context) error {
	q := &p.questions
	q.mu.Lock()
	if q.next == nil {
		q.next = &question{done: make(chan struct{})}
		if !q.asking {
			q.asking = true
			go p.askOn()
		}
	}
	mine := q.next
	q.mu.Unlock()
	select {
	case <-mine.done:
		return mine.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// questions are those that one partition asks of the node that wrote last.
type questions struct {
	mu     sync.Mutex
	asking bool
	next   *question
}

type question struct {
	done chan struct{}
	err  error
}

func (p *partition) askOn() {
	q := &p.questions
	for {
		q.mu.Lock()
		mine := q.next
		q.next = nil
		if mine == nil {
			q.asking = false
			q.mu.Unlock()
			return
		}
		q.mu.Unlock()
		mine.err = p.askOnce()
		close(mine.done)
	}
}

func (p *partition) askOnce() error {
	peer, err := p.writer()
	if err != nil {
		return err
	}
	ctx, cancel := p.whileServing()
	defer cancel()
	ctx, end := context.WithTimeout(ctx, p.node.cfg.Shared.patience())
	defer end()
	s, err := peer.View(ctx, mainstem.ViewRequest{Group: p.node.probe(p.id), At: mainstem.Latest()})
	if err != nil {
		return err
	}
	token := s.Stamp().Token
	if err := s.Close(); err != nil {
		return err
	}
	for {
		news := p.node.listen()
		if p.has(token) {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
