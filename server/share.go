package server

import (
	"container/list"
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
	stubborn             atomic.Int64 // streams whose last message was refused as a whole
	turns                turns

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
	of       *pool
	taken    atomic.Int64
	waiting  list.List // of waiters for their turn, under the lock of turns
	stubborn bool      // its last message was refused as a whole: of who reads the stream
}

func (s *share) close() {
	s.rest(0, 0)
	s.of.streams.Add(-1)
}

// take takes a place, unless there is none for this stream. Who has nothing under way
// gets one as long as the server has any at all.
func (s *share) take() bool {
	all, own := s.of.taken.Add(1), s.taken.Add(1)
	if own <= s.of.places()-all+1 || own == 1 && all <= LimitCommits {
		return true
	}
	s.free()
	return false
}

// errNoPlace is why there was none. It is the same to everybody, without numbers: what
// is refused is much, and has to cost little.
var errNoPlace = &mainstem.Error{
	Code: mainstem.Overloaded, Message: "as many transactions are under way here as are done in time",
	Advice: "repeat after a pause that grows; of what is free each stream gets the same",
}

// took says how long a transaction took. One that left before its turn would have taken
// longer than it says.
func (s *share) took(d time.Duration, inTime bool) {
	if !inTime {
		d = max(d, slowCommit+1)
	}
	s.of.learn(d, time.Now())
}

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
