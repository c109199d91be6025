package pg_test

import (
	"context"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem/pg"
)

// TestErasWithoutEvents: two failovers, and nothing was numbered between them. The
// second era began where the first one had, so that no event was numbered any more.
func TestErasWithoutEvents(t *testing.T) {
	db := open(t)
	r := &pg.Relay{DB: db, Poll: time.Millisecond, TTL: time.Second}
	var k taker
	background(t, "consumer", func(ctx context.Context) error {
		return r.Consume(ctx, pg.Consumer{Name: "go", Deliver: k.deliver})
	})
	background(t, "relay", r.Run)
	put(t, db, "a1")
	k.wants(t, "a1")
	for n := range int64(2) {
		run(t, db, "UPDATE $S.relay SET home = split_part(home, '/', 1) || '/0'")
		eventually(t, "an era has begun", func() bool { return number(t, db, "SELECT count(*) FROM $S.era") == n+2 })
	}
	put(t, db, "a2")
	k.wants(t, "a1 a2")
	if got := positions(numbered(t, db, 2)); got != "1@0.1 2@2.0 " {
		t.Errorf("positions are %s", got)
	}
}
