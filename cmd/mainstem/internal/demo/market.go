package demo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// mode is a way of buying.
type mode uint8

const (
	byFloor   mode = iota + 1 // add to the stock with floor 0
	byCompare                 // write the stock if it was not written since it was read
	byReading                 // read the stock, write it: what the other two are for
)

// String names the directory of the mode's database.
func (m mode) String() string {
	return [...]string{"", "floor", "compare-and-set", "naive"}[m]
}

// market is one run: shoppers, an onlooker, and somebody who does harm.
type market struct {
	plan   plan
	place  place
	ledger *ledger
	stock  map[string]int64
	pace   *pace
	fail   context.CancelCauseFunc

	next     atomic.Int64 // purchases begun
	done     atomic.Int64 // purchases answered
	kills    atomic.Int64
	resent   atomic.Int64 // purchases sent again after undecided
	shoppers []*shopper
	looks    []observed // what the onlooker saw
	recovery []time.Duration
	took     time.Duration
}

// fill sets the stock of every item.
func (m *market) fill(ctx context.Context) error {
	lines := make(chan *client, 16)
	for range cap(lines) {
		lines <- m.place.line()
	}
	var wait sync.WaitGroup
	for item, n := range m.stock {
		line := <-lines
		wait.Go(func() {
			a := line.do(ctx, call{Kind: callFill, Item: item, ID: "stock", Left: n})
			if a.Code != 0 {
				m.fail(fmt.Errorf("setting the stock of %q: %s", item, a.Message))
			}
			lines <- line
		})
	}
	wait.Wait()
	for range cap(lines) {
		(<-lines).close()
	}
	return context.Cause(ctx)
}

// open runs everybody until all purchases are answered.
func (m *market) open(ctx context.Context, shoppers int, rng *rand.Rand) error {
	m.pace.start = time.Now()
	var buying, others sync.WaitGroup
	for i := range shoppers {
		s := &shopper{
			market: m, number: i, line: m.place.line(),
			rng: rand.New(rand.NewPCG(rng.Uint64(), uint64(i))),
		}
		m.shoppers = append(m.shoppers, s)
		buying.Go(func() { s.run(ctx) })
	}
	others.Go(func() { m.strike(ctx) })
	watching, stop := context.WithCancelCause(ctx)
	eyes := rand.New(rand.NewPCG(rng.Uint64(), 0))
	others.Go(func() { m.look(watching, eyes) })
	buying.Wait()
	m.took = time.Since(m.pace.start)
	stop(errEnded)
	others.Wait()
	return context.Cause(ctx)
}

// strike does harm at each moment, and waits until everything is back.
func (m *market) strike(ctx context.Context) {
	for _, s := range m.pace.strike {
		if m.pace.until(ctx, s.moment+s.delay) != nil {
			return
		}
		began := time.Now()
		if err := m.place.strike(ctx); err != nil {
			m.fail(&breakage{fmt.Errorf("kill %d of %d: %w", m.kills.Load()+1, m.plan.kills, err)})
			return
		}
		m.kills.Add(1)
		m.recovery = append(m.recovery, time.Since(began))
		close(s.killed)
	}
}

// look reads the stock of random items, so that the checked history has reads
// by somebody who writes nothing.
func (m *market) look(ctx context.Context, rng *rand.Rand) {
	line := m.place.line()
	defer line.close()
	for pause(ctx, time.Duration(2+rng.Int64N(4))*time.Millisecond) == nil {
		item := m.plan.orders[rng.IntN(len(m.plan.orders))].Item
		began := m.now()
		a := line.do(ctx, call{Kind: callLook, Item: item})
		if a.Code == 0 {
			m.looks = append(m.looks, observed{item: item, from: began, to: m.now(), left: a.Left, client: -1})
		}
	}
}

// now is the time within the run, on the monotonic clock.
func (m *market) now() int64 { return int64(time.Since(m.pace.start)) }

// breakage is the end of a run by the database's own fault: no error of the
// demo but what it has found.
type breakage struct{ error }

// Unwrap is what happened.
func (b *breakage) Unwrap() error { return b.error }
