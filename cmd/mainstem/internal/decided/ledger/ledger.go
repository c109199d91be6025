// Package ledger is the data model that was proposed, as code that runs. Names of groups, keys
// and events are as proposed; what is decided in the functions is an example, and yours to write.
package ledger

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
)

// Tables are those of this program, beside what pg.Schema makes.
const Tables = `
CREATE TABLE IF NOT EXISTS account_state (id text PRIMARY KEY, remaining bigint NOT NULL DEFAULT 0 CHECK (remaining >= 0), given bigint NOT NULL DEFAULT 0, last text NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS view_count (view text, about text, events bigint NOT NULL, PRIMARY KEY (view, about));
CREATE TABLE IF NOT EXISTS on_call (who text PRIMARY KEY, gone boolean NOT NULL);
`

// Open connects, and makes tables that are not there. In production their owner does that, once, before the service starts.
func Open(ctx context.Context, url string) (*pg.DB, error) {
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return nil, err
	}
	schema, err := pg.Schema(pg.DefaultSchema, "")
	if err == nil {
		_, err = pool.Exec(ctx, schema+Tables)
	}
	if err != nil {
		pool.Close()
		return nil, err
	}
	return &pg.DB{Pool: pool, Schema: pg.DefaultSchema}, nil
}

// Event is what happens. Each type has a name of its own, which stays.
type Event interface {
	About() string // whose it is
	By() string    // the request that did it
}

// AmountBooked is amount.booked.v1: book was done.
type AmountBooked struct {
	Of      string `json:"of"`
	Request string `json:"request"`
}

// About is what it happened to.
func (e AmountBooked) About() string { return e.Of }

// By is the request that did it.
func (e AmountBooked) By() string { return e.Request }

var registry = named()

func named() *mainstem.Registry[Event] {
	r := mainstem.NewRegistry[Event]()
	mainstem.Register[AmountBooked](r, "amount.booked.v1", "amount.booked") // the second is what the first version called it
	return r
}

// Stock says how much of one account there is to give away.
func Stock(ctx context.Context, db *pg.DB, account string, n int64) error {
	_, err := db.Pool.Exec(ctx, "INSERT INTO account_state (id, remaining) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET remaining = $2", account, n)
	return err
}

// wait is how long a request waits for another attempt of itself.
const wait = 5 * time.Second

// Book is book: it takes one of what is left, and is refused where nothing is. A request that is repeated under its ID is done once.
func Book(ctx context.Context, db *pg.DB, account, request string) (pg.Reply, error) {
	return db.Run(ctx, pg.Request{Key: pg.Key("book", account, request), Wait: wait, Refusals: true}, func(ctx context.Context, tx pgx.Tx) ([]byte, error) {
		tag, err := tx.Exec(ctx, "UPDATE account_state SET remaining = remaining - 1, last = $2 WHERE id = $1 AND remaining > 0", account, request)
		if err == nil && tag.RowsAffected() == 0 {
			err = pg.Refuse([]byte("there is none left"))
		}
		if err != nil {
			return nil, err
		}
		e, err := registry.Encode(AmountBooked{Of: account, Request: request})
		if err != nil {
			return nil, err
		}
		_, err = pg.AppendVersioned(ctx, db.In(tx), "account", pg.AnyVersion, e)
		return []byte("done"), err
	})
}

// Fill keeps a view: it takes the events and counts them by what they are about, in the transaction
// that moves its place. What your view is made of stands in the place of the counting.
func Fill(ctx context.Context, relay *pg.Relay, view string) error {
	return relay.ConsumeInto(ctx, pg.Into{
		Consumer: pg.Consumer{Name: view}, Target: relay.DB,
		Apply: func(ctx context.Context, tx pgx.Tx, events []pg.Event) error {
			for _, recorded := range events {
				e, err := registry.Decode(recorded.Event)
				if err == nil {
					_, err = tx.Exec(ctx, `INSERT INTO view_count AS now VALUES ($1, $2, 1)
						ON CONFLICT (view, about) DO UPDATE SET events = now.events + 1`, view, e.About())
				}
				if err != nil {
					return err
				}
			}
			return nil
		},
	})
}
