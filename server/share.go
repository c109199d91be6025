package server

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/mainstemdb/mainstem"
)

// How many transactions may be under way adapts to how long they take. More than
// that would make all of them late and none of them faster.
const (
	// leastCommits are always let in, and two for each stream.
	leastCommits = 256
	// slowCommit is how long transactions may take, on average of a while, before
	// fewer are let in.
	slowCommit = 200 * time.Millisecond
	lookEvery  = 100 * time.Millisecond
)

// pool is the places of all transactions under way. Each stream may take as many as
// are free at that moment: alone it gets half of them, among many each gets the same
// little, and whoever comes with little finds a place, however greedy the others are.
//
// Source: Choudhury and Hahne, "Dynamic Queue Length Thresholds for Shared-Memory
// Packet Switches", 1998.
type pool struct {
	taken, most, streams atomic.Int64

	mu    sync.Mutex
	since time.Time // the present look began
	took  time.Duration
	n     int64
}

// open makes a share, for a stream that is new.
func (p *pool) open() *share {
	p.streams.Add(1)
	return &share{of: p}
}

// share is what one stream has of it.
type share struct {
	of    *pool
	taken atomic.Int64
}

func (s *share) close() { s.of.streams.Add(-1) }

// take takes a place, or says that there is none for this stream.
func (s *share) take() error {
	all, own, most := s.of.taken.Add(1), s.taken.Add(1), s.of.places()
	if own <= most-all+1 {
		return nil
	}
	s.taken.Add(-1)
	s.of.taken.Add(-1)
	e := mainstem.Errorf(mainstem.Overloaded, "%d transactions are under way here, %d of them from this stream, and %d are as many as are done in time", all-1, own-1, most)
	e.Advice = "repeat after a pause that grows; of what is free each stream gets the same"
	return e
}

// took says how long a transaction took.
func (s *share) took(d time.Duration) { s.of.learn(d, time.Now()) }

// free gives back a place.
func (s *share) free() {
	s.taken.Add(-1)
	s.of.taken.Add(-1)
}

// places are how many transactions may be under way.
func (p *pool) places() int64 {
	return min(LimitCommits, max(p.most.Load(), leastCommits+2*p.streams.Load()))
}

// learn lets in fewer while they are slow and places are short, and more otherwise.
func (p *pool) learn(took time.Duration, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.took, p.n = p.took+took, p.n+1
	if now.Sub(p.since) < lookEvery {
		return
	}
	most := p.places()
	switch slow := p.took/time.Duration(p.n) > slowCommit; {
	case slow && p.taken.Load() > most/4: // a stream that is alone has half at most
		p.most.Store(most * 4 / 5)
	case !slow:
		p.most.Store(min(LimitCommits, most*11/10+1))
	}
	p.since, p.took, p.n = now, 0, 0
}
