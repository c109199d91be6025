package server

import (
	"container/list"
	"context"
	"slices"
	"sync"
)

// leastWindow is how many transactions the database has at once, or an eighth of all
// that are let in, where that is more: enough for two full records, few enough that
// who comes with one transaction does not stand behind thousands of somebody else's.
const leastWindow = 1024

// quantum is how many transactions of a stream are a turn. What came in one message so
// goes into one record, mostly, and its answers are one message too.
const quantum = 16

// turns hands what was let in to the database, a few transactions of each stream after
// the other: what a stream wants at once, it waits for by itself. Every second place
// goes to a stream that wants one thing only, if there is one. Who has no time left
// does not wait: the database tells such a transaction at once what came of it.
//
// Source: Nagle, "On Packet Switches with Infinite Storage", RFC 970, 1985; Hoeiland-Joergensen
// and others, "The Flow Queue CoDel Packet Scheduler", RFC 8290, 2018, for those who
// want little.
type turns struct {
	mu      sync.Mutex
	running int
	ring    []*share  // with something that waits; it is the first one's turn
	used    int       // of that turn
	single  list.List // of streams that have nothing else under way
	odd     bool      // the next place is for one of those
}

// waiter is a transaction that waits for its turn.
type waiter struct {
	do   func(inTime bool)
	stop func() bool   // of what watches its ctx
	line *list.List    // where it waits
	at   *list.Element // nil once it does not
}

// run runs do, on a goroutine of its own or one that has become free, when it is the
// stream's turn, or when ctx ends, which is not in time.
func (s *share) run(ctx context.Context, do func(inTime bool)) {
	if s.of.turns.begin(ctx, s, do, s.of.window()) {
		go s.of.work(do)
	}
}

// work runs do, and then whoever's turn it is until nobody waits.
func (p *pool) work(do func(inTime bool)) {
	for do != nil {
		do(true)
		do = p.turns.next(p.window())
	}
}

// window is how many transactions the database may have now.
func (p *pool) window() int { return max(leastWindow, int(p.taken.Load()/8)) }

// begin reports whether do may run now. Otherwise it will.
func (t *turns) begin(ctx context.Context, s *share, do func(inTime bool), window int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.running < window {
		t.running++
		return true
	}
	w := &waiter{do: do, line: &s.waiting}
	if s.taken.Load() == 1 {
		w.line = &t.single
	} else if s.waiting.Len() == 0 {
		t.ring = append(t.ring, s)
	}
	w.at = w.line.PushBack(w)
	w.stop = context.AfterFunc(ctx, func() {
		if t.leave(s, w) {
			do(false)
		}
	})
	return false
}

// leave takes one whose ctx has ended out of its line, if it still stands there.
func (t *turns) leave(s *share, w *waiter) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if w.at == nil {
		return false
	}
	w.out()
	if w.line == &s.waiting && s.waiting.Len() == 0 {
		i := slices.Index(t.ring, s)
		if t.ring = slices.Delete(t.ring, i, i+1); i == 0 {
			t.used = 0
		}
	}
	return true
}

func (w *waiter) out() {
	w.line.Remove(w.at)
	w.at = nil
}

// next is the oldest of the stream whose turn it is, or nil where nobody waits, or the
// database has more than it may have now.
func (t *turns) next(window int) (do func(inTime bool)) {
	w := t.oldest(window)
	if w == nil {
		return nil
	}
	w.stop()
	return w.do
}

// oldest takes that one out of its line, or counts one less that runs.
func (t *turns) oldest(window int) (w *waiter) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.running > window {
		t.running--
		return nil
	}
	switch t.odd = !t.odd; {
	case t.single.Len() > 0 && (t.odd || len(t.ring) == 0):
		w = t.single.Front().Value.(*waiter)
		w.out()
	case len(t.ring) == 0:
		t.running--
		return nil
	default:
		w = t.turn()
	}
	return w
}

// turn takes the oldest of the stream whose turn it is out of its line.
func (t *turns) turn() *waiter {
	s := t.ring[0]
	w := s.waiting.Front().Value.(*waiter)
	w.out()
	if t.used++; s.waiting.Len() == 0 || t.used == quantum {
		t.ring, t.used = t.ring[1:], 0
		if s.waiting.Len() > 0 {
			t.ring = append(t.ring, s)
		}
	}
	return w
}
