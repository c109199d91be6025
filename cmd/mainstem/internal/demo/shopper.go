package demo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/mainstemdb/mainstem"
)

// shopper makes one purchase after the other, and repeats each, under the same
// ID, until it has an answer. Only its own goroutine touches it.
type shopper struct {
	market *market
	number int
	line   *client
	rng    *rand.Rand

	answered    []time.Duration // calls that were answered
	unavailable []time.Duration // calls begun while the database was down
	replayed    int             // purchases answered with their first receipt
	seen        []observed
}

func (s *shopper) run(ctx context.Context) {
	defer s.line.close()
	m := s.market
	for {
		i := int(m.next.Add(1)) - 1
		if i >= len(m.plan.orders) || m.pace.due(ctx, i) != nil {
			return
		}
		if err := s.buy(ctx, m.plan.orders[i]); err != nil {
			m.fail(err)
			return
		}
		m.done.Add(1)
	}
}

// buy makes one purchase, as often as it takes.
func (s *shopper) buy(ctx context.Context, o Order) error {
	var unsure int64 // when the first call that may have committed began; 0 for none
	for attempt := 0; ; attempt++ {
		a, sent := s.try(ctx, o, unsure != 0)
		now := s.market.now()
		switch a.Code {
		case 0:
			return s.bought(o, a, first(unsure, sent), now)
		case mainstem.OutOfRange:
			return s.soldOut(o, first(unsure, sent), now)
		case mainstem.Conflict:
			if attempt < 3 {
				continue
			}
		case mainstem.Undecided:
			s.market.resent.Add(1)
			unsure = first(unsure, sent)
		case mainstem.Unavailable, mainstem.Overloaded, mainstem.InProgress, mainstem.Stopped:
		default:
			return &breakage{fmt.Errorf("%s was answered in a way that should not happen: %s: %s", o.ID, a.Code, a.Message)}
		}
		if err := pause(ctx, time.Duration(5+s.rng.Int64N(15))*time.Millisecond); err != nil {
			return err
		}
	}
}

func first(unsure, sent int64) int64 {
	if unsure != 0 {
		return unsure
	}
	return sent
}

// try makes one attempt and says when its deciding call began. again says
// that an earlier attempt may have committed.
func (s *shopper) try(ctx context.Context, o Order, again bool) (a answer, sent int64) {
	if s.market.plan.mode == byFloor {
		return s.call(ctx, call{Kind: callBuy, Item: o.Item, ID: o.ID, Quantity: o.Quantity})
	}
	q := call{Kind: callLook, Item: o.Item}
	if again {
		// Too little left may be this purchase's own doing: ask in the same
		// view whether it has committed.
		q.ID = o.ID
	}
	read, sent := s.call(ctx, q)
	switch {
	case read.Code == mainstem.Undecided:
		read.Code = mainstem.Unavailable // a read that was cut off has done nothing
		return read, sent
	case read.Code != 0 || read.Known:
		return read, sent
	}
	s.seen = append(s.seen, observed{item: o.Item, from: sent, to: s.market.now(), left: read.Left, client: s.number})
	if read.Left < o.Quantity {
		return answer{Code: mainstem.OutOfRange, Left: read.Left}, sent
	}
	q = call{Kind: callCompare, Item: o.Item, ID: o.ID, Quantity: o.Quantity, Since: read.Position, Left: read.Left - o.Quantity}
	if s.market.plan.mode == byReading {
		q.Kind = callBlind
	}
	return s.call(ctx, q)
}

// call makes one call and notes how long it took.
func (s *shopper) call(ctx context.Context, q call) (answer, int64) {
	down := s.market.place.away()
	sent := s.market.now()
	a := s.line.do(ctx, q)
	took := time.Duration(s.market.now() - sent)
	switch a.Code {
	case mainstem.Unavailable:
		if down {
			s.unavailable = append(s.unavailable, took)
		}
	case mainstem.Undecided:
	default:
		s.answered = append(s.answered, took)
	}
	return a, sent
}

func (s *shopper) bought(o Order, a answer, from, to int64) error {
	if a.Replayed {
		s.replayed++
	}
	s.seen = append(s.seen, observed{
		item: o.Item, from: from, to: to, left: a.Left, quantity: o.Quantity, what: sold, client: s.number,
	})
	return s.market.ledger.write(entry{ID: o.ID, Item: o.Item, Quantity: o.Quantity, Position: a.Position, Left: a.Left})
}

func (s *shopper) soldOut(o Order, from, to int64) error {
	s.seen = append(s.seen, observed{item: o.Item, from: from, to: to, quantity: o.Quantity, what: refused, client: s.number})
	return s.market.ledger.write(entry{ID: o.ID, Item: o.Item, Quantity: o.Quantity, SoldOut: true})
}
