// Package everythingpg is the data model that was proposed, as code that runs. Names of groups, keys
// and events are as proposed; what is decided in the functions is an example, and yours to write.
package everythingpg

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
CREATE TABLE IF NOT EXISTS shelf_state (id text PRIMARY KEY, remaining bigint NOT NULL DEFAULT 0 CHECK (remaining >= 0), given bigint NOT NULL DEFAULT 0, last text NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS type_state (id text PRIMARY KEY, remaining bigint NOT NULL DEFAULT 0 CHECK (remaining >= 0), given bigint NOT NULL DEFAULT 0, last text NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS now_state (id text PRIMARY KEY, remaining bigint NOT NULL DEFAULT 0 CHECK (remaining >= 0), given bigint NOT NULL DEFAULT 0, last text NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS n_code_quoted_state (id text PRIMARY KEY, remaining bigint NOT NULL DEFAULT 0 CHECK (remaining >= 0), given bigint NOT NULL DEFAULT 0, last text NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS view_count (view text, about text, events bigint NOT NULL, PRIMARY KEY (view, about));
CREATE TABLE IF NOT EXISTS on_call (who text PRIMARY KEY, gone boolean NOT NULL);
CREATE TABLE IF NOT EXISTS written (resource text PRIMARY KEY, by text NOT NULL);
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

// PieceTaken is piece.taken.v1: take was done.
type PieceTaken struct {
	Of      string `json:"of"`
	Request string `json:"request"`
}

// About is what it happened to.
func (e PieceTaken) About() string { return e.Of }

// By is the request that did it.
func (e PieceTaken) By() string { return e.Request }

// TypeGive is type.give.v1: give was done.
type TypeGive struct {
	Of      string `json:"of"`
	Request string `json:"request"`
}

// About is what it happened to.
func (e TypeGive) About() string { return e.Of }

// By is the request that did it.
func (e TypeGive) By() string { return e.Request }

// PieceTaken2ndTake is piece.taken.2nd-take.v1: 2nd take was done.
type PieceTaken2ndTake struct {
	Of      string `json:"of"`
	Request string `json:"request"`
}

// About is what it happened to.
func (e PieceTaken2ndTake) About() string { return e.Of }

// By is the request that did it.
func (e PieceTaken2ndTake) By() string { return e.Request }

// NCodeQuotedNoteThis is n-code-quoted.note-this.v1: note "this"\ was done.
type NCodeQuotedNoteThis struct {
	Of      string `json:"of"`
	Request string `json:"request"`
}

// About is what it happened to.
func (e NCodeQuotedNoteThis) About() string { return e.Of }

// By is the request that did it.
func (e NCodeQuotedNoteThis) By() string { return e.Request }

// NowShow is now.show.v1: show was done.
type NowShow struct {
	Of      string `json:"of"`
	Request string `json:"request"`
}

// About is what it happened to.
func (e NowShow) About() string { return e.Of }

// By is the request that did it.
func (e NowShow) By() string { return e.Request }

var registry = named()

func named() *mainstem.Registry[Event] {
	r := mainstem.NewRegistry[Event]()
	mainstem.Register[PieceTaken](r, "piece.taken.v1", "piece.taken")                                  // the second is what the first version called it
	mainstem.Register[TypeGive](r, "type.give.v1", "type.give")                                        // the second is what the first version called it
	mainstem.Register[PieceTaken2ndTake](r, "piece.taken.2nd-take.v1", "piece.taken.2nd-take")         // the second is what the first version called it
	mainstem.Register[NCodeQuotedNoteThis](r, "n-code-quoted.note-this.v1", "n-code-quoted.note-this") // the second is what the first version called it
	mainstem.Register[NowShow](r, "now.show.v1", "now.show")                                           // the second is what the first version called it
	return r
}

// Stock says how much of one shelf there is to give away.
func Stock(ctx context.Context, db *pg.DB, shelf string, n int64) error {
	_, err := db.Pool.Exec(ctx, "INSERT INTO shelf_state (id, remaining) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET remaining = $2", shelf, n)
	return err
}

// StockTypeservice says how much of one typeservice there is to give away.
func StockTypeservice(ctx context.Context, db *pg.DB, typeservice string, n int64) error {
	_, err := db.Pool.Exec(ctx, "INSERT INTO type_state (id, remaining) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET remaining = $2", typeservice, n)
	return err
}

// Limit is the rule of this example: so often may be given. Yours stands in its place.
const Limit = 3

// wait is how long a request waits for another attempt of itself.
const wait = 5 * time.Second

// Take is take: it takes one of what is left, and is refused where nothing is. A request that is repeated under its ID is done once.
func Take(ctx context.Context, db *pg.DB, shelf, request string) (pg.Reply, error) {
	return db.Run(ctx, pg.Request{Key: pg.Key("take", shelf, request), Wait: wait, Refusals: true}, func(ctx context.Context, tx pgx.Tx) ([]byte, error) {
		tag, err := tx.Exec(ctx, "UPDATE shelf_state SET remaining = remaining - 1, last = $2 WHERE id = $1 AND remaining > 0", shelf, request)
		if err == nil && tag.RowsAffected() == 0 {
			err = pg.Refuse([]byte("there is none left"))
		}
		if err != nil {
			return nil, err
		}
		e, err := registry.Encode(PieceTaken{Of: shelf, Request: request})
		if err != nil {
			return nil, err
		}
		return []byte("done"), pg.Append(ctx, db.In(tx), "shelf/"+shelf, e)
	})
}

// Give is give: it takes one of what is left, and is refused where nothing is. A request that is repeated under its ID is done once.
func Give(ctx context.Context, db *pg.DB, typeservice, request string) (pg.Reply, error) {
	return db.Run(ctx, pg.Request{Key: pg.Key("give", typeservice, request), Wait: wait, Refusals: true}, func(ctx context.Context, tx pgx.Tx) ([]byte, error) {
		tag, err := tx.Exec(ctx, "UPDATE type_state SET remaining = remaining - 1, last = $2 WHERE id = $1 AND remaining > 0", typeservice, request)
		if err == nil && tag.RowsAffected() == 0 {
			err = pg.Refuse([]byte("there is none left"))
		}
		if err != nil {
			return nil, err
		}
		e, err := registry.Encode(TypeGive{Of: typeservice, Request: request})
		if err != nil {
			return nil, err
		}
		return []byte("done"), pg.Append(ctx, db.In(tx), "type", e)
	})
}

// The2ndTake is 2nd take: it decides on what is there, and is refused where the rule would be broken. A request that is repeated under its ID is done once.
func The2ndTake(ctx context.Context, db *pg.DB, nowid, request string) (pg.Reply, error) {
	return db.Run(ctx, pg.Request{Key: pg.Key("2nd take", nowid, request), Wait: wait, Refusals: true}, func(ctx context.Context, tx pgx.Tx) ([]byte, error) {
		tag, err := tx.Exec(ctx, `INSERT INTO now_state AS now (id, given, last) VALUES ($1, 1, $2)
			ON CONFLICT (id) DO UPDATE SET given = now.given + 1, last = $2 WHERE now.given < $3`, nowid, request, Limit)
		if err == nil && tag.RowsAffected() == 0 {
			err = pg.Refuse([]byte("there is none left"))
		}
		if err != nil {
			return nil, err
		}
		e, err := registry.Encode(PieceTaken2ndTake{Of: nowid, Request: request})
		if err != nil {
			return nil, err
		}
		return []byte("done"), pg.Append(ctx, db.In(tx), "now/"+nowid, e)
	})
}

// NoteThis is note "this"\: it writes without looking. A request that is repeated under its ID is done once.
func NoteThis(ctx context.Context, db *pg.DB, ncodequoted, request string) (pg.Reply, error) {
	return db.Run(ctx, pg.Request{Key: pg.Key("note \"this\"\\", ncodequoted, request), Wait: wait, Refusals: true}, func(ctx context.Context, tx pgx.Tx) ([]byte, error) {
		if _, err := tx.Exec(ctx, "INSERT INTO n_code_quoted_state (id, last) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET last = $2", ncodequoted, request); err != nil {
			return nil, err
		}
		e, err := registry.Encode(NCodeQuotedNoteThis{Of: ncodequoted, Request: request})
		if err != nil {
			return nil, err
		}
		return []byte("done"), pg.Append(ctx, db.In(tx), "n-code-quoted/"+ncodequoted, e)
	})
}

// Show2 is show: it writes without looking. A request that is repeated under its ID is done once.
func Show2(ctx context.Context, db *pg.DB, nowid, request string) (pg.Reply, error) {
	return db.Run(ctx, pg.Request{Key: pg.Key("show", nowid, request), Wait: wait, Refusals: true}, func(ctx context.Context, tx pgx.Tx) ([]byte, error) {
		if _, err := tx.Exec(ctx, "INSERT INTO now_state (id, last) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET last = $2", nowid, request); err != nil {
			return nil, err
		}
		e, err := registry.Encode(NowShow{Of: nowid, Request: request})
		if err != nil {
			return nil, err
		}
		return []byte("done"), pg.Append(ctx, db.In(tx), "now", e)
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

// PrinterTTL is how long printer may stand still when its holder dies.
const PrinterTTL = 20 * time.Second

// HoldPrinter runs fn while this process alone holds printer. Hand the token to whatever fn changes.
func HoldPrinter(ctx context.Context, db *pg.DB, fn func(context.Context, mainstem.FencingToken) error) error {
	return db.Hold(ctx, "printer", PrinterTTL, fn)
}

// WritePrinter changes what printer protects, only while no later token has been there.
func WritePrinter(ctx context.Context, db *pg.DB, token mainstem.FencingToken, by string) error {
	return pgx.BeginFunc(ctx, db.Pool, func(tx pgx.Tx) error {
		if err := pg.Fence(ctx, db.In(tx), "printer", token); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "INSERT INTO written VALUES ($1, $2) ON CONFLICT (resource) DO UPDATE SET by = $2", "printer", by)
		return err
	})
}

// HoldPlotter runs fn while this process alone holds plotter. Hand the token to whatever fn changes.
func HoldPlotter(ctx context.Context, db *pg.DB, ttl time.Duration, fn func(context.Context, mainstem.FencingToken) error) error {
	return db.Hold(ctx, "plotter", ttl, fn)
}

// WritePlotter changes what plotter protects, only while no later token has been there.
func WritePlotter(ctx context.Context, db *pg.DB, token mainstem.FencingToken, by string) error {
	return pgx.BeginFunc(ctx, db.Pool, func(tx pgx.Tx) error {
		if err := pg.Fence(ctx, db.In(tx), "plotter", token); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "INSERT INTO written VALUES ($1, $2) ON CONFLICT (resource) DO UPDATE SET by = $2", "plotter", by)
		return err
	})
}
