package mainstem

import (
	"crypto/rand"
	"sync"
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
