package pg_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
)

// Examples need a server, and so they are tests: what they print is compared.

// TestExampleCharge: a charge, its event and its key in one COMMIT, and the
// same request again.
func TestExampleCharge(t *testing.T) {
	db := open(t)
	run(t, db, "CREATE TABLE "+db.Schema+".payment (order_id text, cents bigint)")
	said := ""
	charge := func(ctx context.Context, order string, cents int64) error {
		request := pg.Request{Key: pg.Key("charge", order), Hash: fmt.Append(nil, cents)}
		reply, err := db.Run(ctx, request, func(ctx context.Context, tx pgx.Tx) ([]byte, error) {
			if _, err := tx.Exec(ctx, "INSERT INTO "+db.Schema+".payment VALUES ($1, $2)", order, cents); err != nil {
				return nil, err
			}
			charged := mainstem.Event{Type: "charged.v1", Data: fmt.Append(nil, cents)}
			return []byte("receipt of " + order), pg.Append(ctx, pg.In(db.Schema, tx), "order/"+order, charged)
		})
		said += fmt.Sprintf("%s, again %t, %v\n", reply.Body, reply.Replayed, mainstem.CodeOf(err))
		return err
	}
	wantCode(t, charge(t.Context(), "7", 500), 0)
	wantCode(t, charge(t.Context(), "7", 500), 0)
	wantCode(t, charge(t.Context(), "7", 900), mainstem.IDReused)
	if want := "receipt of 7, again false, code(0)\nreceipt of 7, again true, code(0)\n, again false, id_reused\n"; said != want {
		t.Errorf("it said\n%swant\n%s", said, want)
	}
}

// TestExampleConsumer: a consumer takes events in order, by position.
func TestExampleConsumer(t *testing.T) {
	db := open(t)
	put(t, db, "a1", "a2")
	relay := &pg.Relay{DB: db, Listen: db.Pool.Config().ConnConfig}
	background(t, "relay", relay.Run)
	taken := make(chan string, 2)
	background(t, "consumer", func(ctx context.Context) error {
		return relay.Consume(ctx, pg.Consumer{Name: "mail", Deliver: func(_ context.Context, events []pg.Event) error {
			for _, e := range events {
				taken <- fmt.Sprintf("%d %s %s", e.Position, e.Stream, e.Data)
			}
			return nil
		}})
	})
	for _, want := range []string{"1 a 1", "2 a 2"} {
		if got := <-taken; got != want {
			t.Errorf("took %q, want %q", got, want)
		}
	}
}

// TestExampleFence: billing runs under a lease, and the account checks its token.
func TestExampleFence(t *testing.T) {
	db := open(t)
	err := db.Hold(t.Context(), "billing", 10*time.Second, func(ctx context.Context, token mainstem.FencingToken) error {
		return pgx.BeginFunc(ctx, db.Pool, func(tx pgx.Tx) error {
			if err := pg.Fence(ctx, pg.In(db.Schema, tx), "account/7", token); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "INSERT INTO "+db.Schema+".effect VALUES ('billed')")
			return err
		})
	})
	if wantCode(t, err, 0); effects(t, db, "billed") != 1 {
		t.Error("nothing was billed")
	}
}

// Paid is an event with a type of its own.
type Paid struct {
	Order string `json:"order"`
	Cents int64  `json:"cents"`
}

// TestExampleTypedEvents: a registry of the root package makes events of Go types, and
// reads them where they are taken.
func TestExampleTypedEvents(t *testing.T) {
	events := mainstem.NewRegistry[any]()
	mainstem.Register[Paid](events, "paid.v1")
	wantCode(t, events.Err(), 0)
	db := open(t)
	wantCode(t, pgx.BeginFunc(t.Context(), db.Pool, func(tx pgx.Tx) error {
		e, err := events.Encode(Paid{Order: "7", Cents: 500})
		if err != nil {
			return err
		}
		return pg.Append(t.Context(), db.In(tx), "order/7", e)
	}), 0)
	relay := &pg.Relay{DB: db}
	background(t, "relay", relay.Run)
	taken := make(chan any, 1)
	background(t, "consumer", func(ctx context.Context) error {
		return relay.Consume(ctx, pg.Consumer{Name: "mail", Deliver: func(_ context.Context, batch []pg.Event) error {
			for _, e := range batch {
				paid, err := events.Decode(e.Event)
				if err != nil {
					return err
				}
				taken <- paid
			}
			return nil
		}})
	})
	if got := <-taken; got != (Paid{Order: "7", Cents: 500}) {
		t.Errorf("took %+v", got)
	}
}
