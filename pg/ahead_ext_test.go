package pg_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
)

// either is the same schema on whichever of the two servers takes writes.
func (p *pair) either(t *testing.T) *pg.DB {
	t.Helper()
	var hosts, ports []string
	for _, dsn := range []string{p.primary.DSN(), p.standby.DSN()} {
		config, err := pgx.ParseConfig(dsn)
		if err != nil {
			t.Fatal(err)
		}
		hosts, ports = append(hosts, config.Host), append(ports, fmt.Sprint(config.Port))
	}
	pool := poolOf(t, fmt.Sprintf("host=%s port=%s user=postgres dbname=postgres target_session_attrs=read-write",
		strings.Join(hosts, ","), strings.Join(ports, ",")))
	return &pg.DB{Pool: pool, Schema: p.readers.DB.Schema}
}

// TestConsumerAheadOfAFailover: a consumer that goes on through a failover which
// lost what it took last was told that the history is corrupt, and ended; and one
// that had not moved its cursor yet moved it to where there is nothing.
func TestConsumerAheadOfAFailover(t *testing.T) {
	for _, test := range []struct {
		name string
		late bool // the lost event is still being delivered when the standby takes over
	}{{"it took the lost event before", false}, {"it was taking it", true}} {
		t.Run(test.name, func(t *testing.T) {
			p := newPair(t)
			db, promoted := p.either(t), make(chan struct{})
			relaying(t, db, false)
			var k taker
			background(t, "consumer", func(ctx context.Context) error {
				return (&pg.Relay{DB: db}).Consume(ctx, pg.Consumer{Name: "go", Deliver: func(ctx context.Context, events []pg.Event) error {
					err := k.deliver(ctx, events)
					if test.late && string(events[0].Data) == "lost" {
						<-promoted
					}
					return err
				}})
			})
			cursor := func() int64 { return number(t, db, "SELECT position FROM $S.cursor WHERE name = 'go'") }
			pay(t, db, "kept")
			k.wants(t, "skept")
			eventually(t, "the cursor has moved", func() bool { return cursor() == 1 })
			p.caughtUp(t)
			p.cutOff(t)
			pay(t, db, "lost")
			k.wants(t, "skept slost")
			if !test.late {
				eventually(t, "the cursor has moved", func() bool { return cursor() == 2 })
			}
			if err := p.primary.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := p.standby.Promote(t.Context()); err != nil {
				t.Fatal(err)
			}
			close(promoted)
			pay(t, db, "new")
			k.wants(t, "skept slost snew")
			eventually(t, "the cursor is behind the new event", func() bool { return cursor() == era })
			_, err := db.Events(t.Context(), 2, 1)
			wantCode(t, err, mainstem.HistoryLost)
		})
	}
}
