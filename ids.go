package mainstem

import (
	"context"
	"crypto/rand"
	"sync"
	"sync/atomic"
)

// idSource hands out library-made IDs: numbers of a random session, each with
// the lowest number still outstanding, so that a node keeps receipts per
// session and not per transaction.
type idSource struct {
	mu      sync.Mutex
	session SessionID
	last    uint64
	low     uint64
	ended   map[uint64]struct{} // numbers above low that are no longer outstanding
}

// LimitOutstanding is the widest span between the lowest outstanding and the
// newest number of a session. A client that reaches it goes on in a new
// session, so that one call that hangs does not make a node keep every later
// receipt.
const LimitOutstanding = 1 << 16

func newIDSource() *idSource {
	s := &idSource{}
	s.renew()
	return s
}

func (s *idSource) renew() {
	rand.Read(s.session[:]) // never fails (Go 1.24)
	s.last, s.low, s.ended = 0, 1, make(map[uint64]struct{})
}

func (s *idSource) next() ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last-s.low+1 >= LimitOutstanding {
		s.renew()
	}
	s.last++
	return ID{Session: s.session, Number: s.last, Low: s.low}
}

func (s *idSource) done(id ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id.Session != s.session {
		return
	}
	s.ended[id.Number] = struct{}{}
	for {
		if _, ok := s.ended[s.low]; !ok {
			return
		}
		delete(s.ended, s.low)
		s.low++
	}
}

// ages is the newest log age that a DB has heard of, per slot, so that an ID can
// say without a round trip when it was born. Partitions have clocks of their
// own, and which slots share one is the Backend's to know.
type ages [Slots]atomic.Int64

func (a *ages) learn(group string, age LogAge) {
	slot := &a[SlotOf(group)]
	for {
		known := slot.Load()
		if int64(age) <= known || slot.CompareAndSwap(known, int64(age)) {
			return
		}
	}
}

// age is a log age that the group's partition has reached. The first question
// for a slot is a read; receipts answer the later ones.
func (g Group) age(ctx context.Context) (LogAge, error) {
	if known := LogAge(g.db.ages[SlotOf(g.name)].Load()); known > 0 {
		return known, nil
	}
	now, err := g.Now(ctx)
	if err == nil {
		g.db.ages.learn(g.name, now)
	}
	return now, err
}
