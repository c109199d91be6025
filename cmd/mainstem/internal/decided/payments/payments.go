// Package payments is the data model that was proposed, as code that runs. Names of groups, keys
// and events are as proposed; what is decided in the functions is an example, and yours to write.
package payments

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
CREATE TABLE IF NOT EXISTS view_count (view text, about text, events bigint NOT NULL, PRIMARY KEY (view, about));
CREATE TABLE IF NOT EXISTS service_done (service text PRIMARY KEY, done bigint NOT NULL);
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

// OrderCharged is order.charged.v1: charge was done.
type OrderCharged struct {
	Of      string `json:"of"`
	Request string `json:"request"`
}

// About is what it happened to.
func (e OrderCharged) About() string { return e.Of }

// By is the request that did it.
func (e OrderCharged) By() string { return e.Request }

// OrderRefunded is order.refunded.v1: refund was done.
type OrderRefunded struct {
	Of      string `json:"of"`
	Request string `json:"request"`
}

// About is what it happened to.
func (e OrderRefunded) About() string { return e.Of }

// By is the request that did it.
func (e OrderRefunded) By() string { return e.Request }

var registry = named()

func named() *mainstem.Registry[Event] {
	r := mainstem.NewRegistry[Event]()
	mainstem.Register[OrderCharged](r, "order.charged.v1", "order.charged")    // the second is what the first version called it
	mainstem.Register[OrderRefunded](r, "order.refunded.v1", "order.refunded") // the second is what the first version called it
	return r
}

// Limit is the rule of this example: so often may be given. Yours stands in its place.
const Limit = 3

// wait is how long a request waits for another attempt of itself.
const wait = 5 * time.Second

// Charge is charge: it decides on what has happened, and is refused where the rule would be broken. A request that is repeated under its ID is done once.
func Charge(ctx context.Context, db *pg.DB, order, request string) (pg.Reply, error) {
	return db.Run(ctx, pg.Request{Key: pg.Key("charge", order, request), Wait: wait, Refusals: true}, func(ctx context.Context, tx pgx.Tx) ([]byte, error) {
		e, err := registry.Encode(OrderCharged{Of: order, Request: request})
		if err != nil {
			return nil, err
		}
		version, err := pg.AppendVersioned(ctx, db.In(tx), "order/"+order, pg.AnyVersion, e)
		if err == nil && version > Limit {
			err = pg.Refuse([]byte("there is none left"))
		}
		return []byte("done"), err
	})
}

// Refund is refund: it decides on what has happened, and is refused where the rule would be broken. A request that is repeated under its ID is done once.
func Refund(ctx context.Context, db *pg.DB, order, request string) (pg.Reply, error) {
	return db.Run(ctx, pg.Request{Key: pg.Key("refund", order, request), Wait: wait, Refusals: true}, func(ctx context.Context, tx pgx.Tx) ([]byte, error) {
		e, err := registry.Encode(OrderRefunded{Of: order, Request: request})
		if err != nil {
			return nil, err
		}
		version, err := pg.AppendVersioned(ctx, db.In(tx), "order/"+order, pg.AnyVersion, e)
		if err == nil && version > Limit {
			err = pg.Refuse([]byte("there is none left"))
		}
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
