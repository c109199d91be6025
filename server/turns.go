package server

import "sync"

// leastWindow is how many transactions the database has at once, or an eighth of all
// that are let in, where that is more: enough for two full records, few enough that
// who comes with one transaction does not stand behind thousands of somebody else's.
const leastWindow = 1024

// quantum is how many transactions of a stream are a turn. What came in one message so
// goes into one record, mostly, and its answers are one message too.
const quantum = 16

// turns hands what was let in to the database, a few transactions of each stream after
// the other: what a stream wants at once, it waits for by itself. Every second place
// goes to a stream that wants one thing only, if there is one.
//
// Source: Nagle, "On Packet Switches with Infinite Storage", RFC 970, 1985; Hoeiland-Joergensen
// and others, "The Flow Queue CoDel Packet Scheduler", RFC 8290, 2018, for those who
// want little.
type turns struct {
	mu      sync.Mutex
	running int
	ring    []*share // with something that waits; it is the first one's turn
	used    int      // of that turn
	single  []func() // of streams that have nothing else under way
	odd     bool     // the next place is for one of those
}

// run runs do, on a goroutine of its own or one that has become free, when it is the
// stream's turn.
func (s *share) run(do func()) {
	if s.of.turns.begin(s, do, s.of.window()) {
		go s.of.work(do)
	}
}

// work runs do, and then whoever's turn it is until nobody waits.
func (p *pool) work(do func()) {
	for do != nil {
		do()
		do = p.turns.next(p.window())
	}
}

// window is how many transactions the database may have now.
func (p *pool) window() int { return max(leastWindow, int(p.taken.Load()/8)) }

// begin reports whether do may run now. Otherwise it will.
func (t *turns) begin(s *share, do func(), window int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.running < window {
		t.running++
		return true
	}
	if s.taken.Load() == 1 {
		t.single = append(t.single, do)
		return false
	}
	if len(s.waiting) == 0 {
		t.ring = append(t.ring, s)
	}
	s.waiting = append(s.waiting, do)
	return false
}

// next is the oldest of the stream whose turn it is, or nil where nobody waits, or the
// database has more than it may have now.
func (t *turns) next(window int) (do func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.running > window {
		t.running--
		return nil
	}
	switch t.odd = !t.odd; {
	case len(t.single) > 0 && (t.odd || len(t.ring) == 0):
		do, t.single[0] = t.single[0], nil
		t.single = t.single[1:]
		return do
	case len(t.ring) == 0:
		t.running--
		return nil
	}
	s := t.ring[0]
	do, s.waiting[0] = s.waiting[0], nil
	s.waiting = s.waiting[1:]
	if t.used++; len(s.waiting) == 0 || t.used == quantum {
		t.ring, t.used = t.ring[1:], 0
		if len(s.waiting) > 0 {
			t.ring = append(t.ring, s)
		}
	}
	return do
}
