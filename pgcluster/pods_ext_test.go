package pgcluster_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
	"github.com/mainstemdb/mainstem/pgcluster"
)

// pods append, number and consume until they are stopped.
type pods struct {
	*world
	all      sync.WaitGroup
	mu       sync.Mutex
	staged   int
	consumed map[string]bool
	enough   chan struct{} // closed once a hundred events are consumed
}

// batch is how many events a consumer is given at once.
const batch = 7

func (p *pods) start() {
	for n := range 4 {
		p.all.Go(func() { p.append(n) })
	}
	relay := &pg.Relay{DB: p.pg, TTL: 500 * time.Millisecond}
	p.all.Go(func() {
		if err := relay.Run(p.Context()); mainstem.CodeOf(err) != mainstem.Stopped {
			p.Errorf("relay: %v", err)
		}
	})
	p.all.Go(func() {
		err := relay.Consume(p.Context(), pg.Consumer{Name: "mail", Max: batch, Deliver: p.take})
		if mainstem.CodeOf(err) != mainstem.Stopped {
			p.Errorf("consumer: %v", err)
		}
	})
}

func (p *pods) append(n int) {
	for i := range 50_000 {
		stage := p.stage
		if n%2 == 0 {
			stage = p.run
		}
		if err := stage(fmt.Sprint("s", n), fmt.Sprintf("%d-%d", n, i)); err != nil {
			if mainstem.CodeOf(err) != mainstem.Stopped {
				p.Errorf("append: %v", err)
			}
			return
		}
		p.mu.Lock()
		p.staged++
		p.mu.Unlock()
	}
	p.Error("nobody stops appends")
}

func (p *pods) take(_ context.Context, events []pg.Event) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := len(p.consumed)
	for _, e := range events {
		p.consumed[fmt.Sprintf("%d:%s", e.Position, e.Data)] = true
	}
	if before < 100 && len(p.consumed) >= 100 {
		close(p.enough)
	}
	return nil
}

// TestTakeOverAmongOthers: pods are at work while a takeover comes: every event that
// was committed is consumed before or followed after, and none is skipped.
func TestTakeOverAmongOthers(t *testing.T) {
	t.Parallel()
	p := &pods{world: newWorld(t), consumed: map[string]bool{}, enough: make(chan struct{})}
	p.start()
	<-p.enough
	conn, err := p.connect(server.On(t).DSN())
	p.must(err)
	r, err := pgcluster.TakeOver(t.Context(), conn, p.takeover())
	p.must(err)
	p.all.Wait()
	if int(r.Last) != p.staged {
		t.Fatalf("%d events were committed, and the newest position is %d", p.staged, r.Last)
	}
	db := p.node("a", server.On(t).DSN())
	for i := range 10 {
		_, err := db.Group("pg").Do(t.Context(), "", func(tx *mainstem.Txn) error {
			tx.Append("s0", mainstem.Event{Type: "made", Data: []byte(fmt.Sprint("new-", i))})
			return nil
		})
		p.must(err)
	}
	repeated := 0
	for _, e := range follow(t, db.DB, "mail", p.staged-int(r.After)+10) {
		if p.consumed[e] {
			repeated++ // in hand when it came
		}
		p.consumed[e] = true
	}
	if len(p.consumed) != p.staged+10 || repeated > batch {
		t.Fatalf("%d events of %d were taken, %d of them twice; a batch has at most %d", len(p.consumed), p.staged+10, repeated, batch)
	}
}
