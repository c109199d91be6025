// Package search is the data model that was proposed, as code that runs. Names of groups, keys
// and events are as proposed; what is decided in the functions is an example, and yours to write.
package search

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
CREATE TABLE IF NOT EXISTS product_state (id text PRIMARY KEY, remaining bigint NOT NULL DEFAULT 0 CHECK (remaining >= 0), given bigint NOT NULL DEFAULT 0, last text NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS view_count (view text, about text, events bigint NOT NULL, PRIMARY KEY (view, about));
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

// ProductChanged is product.changed.v1: change product was done.
type ProductChanged struct {
	Of      string `json:"of"`
	Request string `json:"request"`
}

// About is what it happened to.
func (e ProductChanged) About() string { return e.Of }

// By is the request that did it.
func (e ProductChanged) By() string { return e.Request }

var registry = named()

func named() *mainstem.Registry[Event] {
	r := mainstem.NewRegistry[Event]()
	mainstem.Register[ProductChanged](r, "product.changed.v1", "product.changed") // the second is what the first version called it
	return r
}

// wait is how long a request waits for another attempt of itself.
const wait = 5 * time.Second

// ChangeProduct is change product: it writes without looking. A request that is repeated under its ID is done once.
func ChangeProduct(ctx context.Context, db *pg.DB, product, request string) (pg.Reply, error) {
	return db.Run(ctx, pg.Request{Key: pg.Key("change product", product, request), Wait: wait, Refusals: true}, func(ctx context.Context, tx pgx.Tx) ([]byte, error) {
		if _, err := tx.Exec(ctx, "INSERT INTO product_state (id, last) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET last = $2", product, request); err != nil {
			return nil, err
		}
		e, err := registry.Encode(ProductChanged{Of: product, Request: request})
		if err != nil {
			return nil, err
		}
		return []byte("done"), pg.Append(ctx, db.In(tx), "product/"+product, e)
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
