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
	// ended says of the numbers from low on, in a ring, which are no longer outstanding.
	ended [LimitOutstanding / 64]uint64
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
	s.last, s.low = 0, 1
	clear(s.ended[:])
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
	if id.Session != s.session || id.Number < s.low {
		return
	}
	word, bit := s.place(id.Number)
	*word |= bit
	for {
		word, bit := s.place(s.low)
		if *word&bit == 0 {
			return
		}
		*word &^= bit
		s.low++
	}
}

// place is the bit of a number. The span is below LimitOutstanding, so no two
// numbers in it share one.
func (s *idSource) place(number uint64) (word *uint64, bit uint64) {
	return &s.ended[number%LimitOutstanding/64], 1 << (number % 64)
}

// ages is the newest log age that a DB has heard of, per slot, so that an ID can
// say without a round trip when it was born. Partitions have clocks of their
// own, and which slots share one is the Backend's to know.
type ages [Slots]atomic.Int64

func (a *ages) learn(slot uint16, age LogAge) {
	newest := &a[slot]
	for {
		known := newest.Load()
		if int64(age) <= known || newest.CompareAndSwap(known, int64(age)) {
			return
		}
	}
}

// age is a log age that the group's partition has reached. The first question
// for a slot is a read; receipts answer the later ones.
func (d *doing) age(ctx context.Context) (LogAge, error) {
	db := d.group.db
	if known := LogAge(db.ages[d.slot].Load()); known > 0 {
		return known, nil
	}
	now, err := d.group.Now(ctx)
	if err == nil {
		db.ages.learn(d.slot, now)
	}
	return now, err
}
