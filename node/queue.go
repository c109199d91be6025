package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/breaklaw"
)

// waiter is a transaction waiting to be judged or to become durable.
// Without a transaction it is a reader that wants the tail confirmed.
type waiter struct {
	t      *mainstem.Transaction
	way    way
	size   int
	taken  bool          // the loop has it: guarded by queue.mu
	races  int           // how often another node wrote first: the loop's own
	told   chan struct{} // closed once there is an answer
	answer answer
}

func newWaiter(t *mainstem.Transaction, size int, way way) *waiter {
	return &waiter{t: t, size: size, way: way, told: make(chan struct{})}
}

// tell answers, once; whoever does never waits.
func (w *waiter) tell(a answer) {
	w.answer = a
	close(w.told)
}

type answer struct {
	receipt *mainstem.Receipt
	err     error
}

// limitQueue is the most transactions that wait in one partition.
const limitQueue = 1 << 14

// queue is the transactions that the loop has not taken yet, bounded in number
// and in bytes: beyond it they are Overloaded at once (L10).
type queue struct {
	mu      sync.Mutex
	waiting []*waiter
	bytes   int64
	limit   int64
	ripe    int // from how many on the loop is woken
	closed  error
	wake    chan struct{}
}

func (q *queue) init(limit int64) {
	q.limit = max(limit, 2*mainstem.LimitTransaction)
	q.wake = make(chan struct{}, 1)
}

// push puts a transaction behind those that wait, and says whether it is time to
// look at them.
func (q *queue) push(w *waiter) (ripe bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed != nil:
		return false, q.closed
	case breaklaw.On("L10"):
	case len(q.waiting) >= limitQueue:
		return false, mainstem.Errorf(mainstem.Overloaded, "%d transactions wait already, which is the limit (L10)", len(q.waiting))
	case q.bytes+int64(w.size) > q.limit:
		return false, mainstem.Errorf(mainstem.Overloaded, "%d bytes of transactions wait already; the limit is %d (L10)", q.bytes, q.limit)
	}
	q.waiting = append(q.waiting, w)
	q.bytes += int64(w.size)
	return len(q.waiting) >= q.ripe, nil
}

// poke makes the loop look.
func (q *queue) poke() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take appends waiting transactions to taken while room lets them in, and says
// from how many on to wake the loop again.
func (q *queue) take(taken []*waiter, room func(size int) bool, ripe int) []*waiter {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ripe = ripe
	n := 0
	for n < len(q.waiting) && room(q.waiting[n].size) {
		w := q.waiting[n]
		w.taken = true
		q.bytes -= int64(w.size)
		n++
	}
	taken = append(taken, q.waiting[:n]...)
	q.waiting = slices.Delete(q.waiting, 0, n)
	return taken
}

// putBack lets transactions be judged again, before all that wait.
func (q *queue) putBack(again []*waiter) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, w := range again {
		if q.closed != nil {
			w.tell(answer{err: q.closed})
			continue
		}
		w.taken = false
		q.bytes += int64(w.size)
	}
	if q.closed == nil {
		q.waiting = append(again, q.waiting...)
		q.poke()
	}
}

// withdraw takes back a transaction that the loop does not have yet.
func (q *queue) withdraw(w *waiter) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if w.taken {
		return false
	}
	i := slices.Index(q.waiting, w)
	if i < 0 {
		return false
	}
	q.waiting = slices.Delete(q.waiting, i, i+1)
	q.bytes -= int64(w.size)
	return true
}

// close refuses everything that waits and whatever comes later.
func (q *queue) close(reason error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = reason
	for _, w := range q.waiting {
		w.taken = true
		w.tell(answer{err: reason})
	}
	q.waiting, q.bytes = nil, 0
}

// Commit runs the transaction once. The transaction must not be changed until
// its outcome is known.
func (n *Node) Commit(ctx context.Context, t *mainstem.Transaction) (*mainstem.Receipt, error) {
	p, err := n.admit(ctx, t)
	if err != nil {
		return nil, err
	}
	open := false
	for tries := 0; p.shared(); tries++ {
		s, err := p.forward(ctx, t)
		open = open || s.open
		if s.mine == nil {
			return s.receipt, unsettled(open, t, err)
		}
		if s.came == final || tries == LimitRaces {
			t = s.mine
			break
		}
		r, err := p.commit(ctx, s.mine, s.came)
		if !errors.Is(err, errMoved) {
			return r, unsettled(open, t, err)
		}
	}
	r, err := p.commit(ctx, t, final)
	return r, unsettled(open, t, err)
}

// unsettled is the end of a call of which a copy may still be on its way to the log of
// another node: only what was judged here has settled that (L11).
func unsettled(open bool, t *mainstem.Transaction, err error) error {
	if !open {
		return err
	}
	switch mainstem.CodeOf(err) {
	case mainstem.Overloaded, mainstem.Unavailable, mainstem.Stopped, mainstem.Cancelled, mainstem.Corrupt:
		return mainstem.Errorf(mainstem.Undecided, "transaction %s was forwarded, and what came of that is not known: %w", t.ID, err)
	}
	return err
}

// admit checks a transaction at the door, and finds its partition.
func (n *Node) admit(ctx context.Context, t *mainstem.Transaction) (*partition, error) {
	if err := t.Validate(); err != nil {
		return nil, err
	}
	if t.ID.IsZero() {
		unnamed := mainstem.Errorf(mainstem.Invalid, "the transaction has no ID, and without one its repetition would be another transaction")
		unnamed.Advice = "give it an ID, the same to each repetition; Group.Do does that by itself"
		return nil, unnamed
	}
	if err := ctx.Err(); err != nil {
		return nil, unbegun(t, err)
	}
	if n.cfg.ReadOnly {
		return nil, mainstem.Errorf(mainstem.Denied, "the database is open read-only")
	}
	return n.partitionOf(t.Group), nil
}

// commit has the loop judge a transaction.
func (p *partition) commit(ctx context.Context, t *mainstem.Transaction, way way) (*mainstem.Receipt, error) {
	return p.await(ctx, newWaiter(t, t.Size()+len(t.Group)+256, way))
}

// await waits for the loop's answer.
func (p *partition) await(ctx context.Context, w *waiter) (*mainstem.Receipt, error) {
	ripe, err := p.queue.push(w)
	if err != nil {
		return nil, err
	}
	if ripe {
		p.look(ctx)
	}
	select {
	case <-w.told:
		return w.answer.receipt, w.answer.err
	case <-ctx.Done():
	}
	if p.queue.withdraw(w) {
		return nil, unbegun(w.t, ctx.Err())
	}
	// The answer may have come in the same moment.
	select {
	case <-w.told:
		return w.answer.receipt, w.answer.err
	default:
		return nil, mainstem.Errorf(w.undecided(), "%s is under way: %w", w, ctx.Err())
	}
}

// unbegun is the end of a call whose time was up before anything was done for it. Of
// earlier attempts it knows nothing: what they left open stays open.
func unbegun(t *mainstem.Transaction, err error) error {
	if t == nil {
		return typed(err, "confirming the tail was not begun")
	}
	e := mainstem.Errorf(mainstem.Cancelled, "transaction %s in group %q was not begun: %w", t.ID, t.Group, err)
	e.Advice = "this call has done nothing; repeat it with the same ID if the work is still wanted"
	if t.Attempt > 1 {
		e.Code = mainstem.Undecided
	}
	return e
}

// String names what waits.
func (w *waiter) String() string {
	if w.t == nil {
		return "confirming the tail"
	}
	return fmt.Sprintf("transaction %s in group %q", w.t.ID, w.t.Group)
}

// undecided is the code of an outcome that nobody knows; a read has none.
func (w *waiter) undecided() mainstem.Code {
	if w.t == nil {
		return mainstem.Unavailable
	}
	return mainstem.Undecided
}
