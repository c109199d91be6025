// Package sourced is the data model that was proposed, as code that runs. Names of groups, keys
// and events are as proposed; what is decided in the functions is an example, and yours to write.
package sourced

import (
	"context"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/lease"
)

// Open opens the database in a directory, or in memory if there is none.
func Open(ctx context.Context, dir string) (*embedded.DB, error) {
	if dir == "" {
		return embedded.InMemory(ctx, embedded.Partitions(Partitions))
	}
	return embedded.Open(ctx, dir, embedded.Partitions(Partitions))
}

// Partitions is how many the database has; their number is hard to change.
const Partitions = 4

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

var events = mainstem.NewStream("events", registry)

func named() *mainstem.Registry[Event] {
	r := mainstem.NewRegistry[Event]()
	mainstem.Register[PieceTaken](r, "piece.taken.v1", "piece.taken")                                  // the second is what the first version called it
	mainstem.Register[TypeGive](r, "type.give.v1", "type.give")                                        // the second is what the first version called it
	mainstem.Register[PieceTaken2ndTake](r, "piece.taken.2nd-take.v1", "piece.taken.2nd-take")         // the second is what the first version called it
	mainstem.Register[NCodeQuotedNoteThis](r, "n-code-quoted.note-this.v1", "n-code-quoted.note-this") // the second is what the first version called it
	mainstem.Register[NowShow](r, "now.show.v1", "now.show")                                           // the second is what the first version called it
	return r
}

// Limit is the rule of this example: so often may be given. Yours stands in its place.
const Limit = 3

// Take is take: it decides on what has happened, and is refused where the rule would be broken. A request that is repeated under its ID is done once.
func Take(ctx context.Context, db *mainstem.DB, shelf, request string) (*mainstem.Receipt, error) {
	return db.Group("shelf/"+shelf).Do(ctx, request, func(tx *mainstem.Txn) error {
		version, err := events.Version(ctx, tx)
		if err != nil {
			return err
		}
		if version >= Limit {
			return tx.Refuse([]byte("there is none left"))
		}
		_, err = events.AppendAt(tx, version, PieceTaken{Of: shelf, Request: request})
		return err
	})
}

// Give is give: it decides on what has happened, and is refused where the rule would be broken. A request that is repeated under its ID is done once.
func Give(ctx context.Context, db *mainstem.DB, typeservice, request string) (*mainstem.Receipt, error) {
	return db.Group("type").Do(ctx, request, func(tx *mainstem.Txn) error {
		version, err := events.Version(ctx, tx)
		if err != nil {
			return err
		}
		if version >= Limit {
			return tx.Refuse([]byte("there is none left"))
		}
		_, err = events.AppendAt(tx, version, TypeGive{Of: typeservice, Request: request})
		return err
	})
}

// The2ndTake is 2nd take: it decides on what has happened, and is refused where the rule would be broken. A request that is repeated under its ID is done once.
func The2ndTake(ctx context.Context, db *mainstem.DB, nowid, request string) (*mainstem.Receipt, error) {
	return db.Group("now/"+nowid).Do(ctx, request, func(tx *mainstem.Txn) error {
		version, err := events.Version(ctx, tx)
		if err != nil {
			return err
		}
		if version >= Limit {
			return tx.Refuse([]byte("there is none left"))
		}
		_, err = events.AppendAt(tx, version, PieceTaken2ndTake{Of: nowid, Request: request})
		return err
	})
}

// NoteThis is note "this"\: it decides on what has happened, and is refused where the rule would be broken. A request that is repeated under its ID is done once.
func NoteThis(ctx context.Context, db *mainstem.DB, ncodequoted, request string) (*mainstem.Receipt, error) {
	return db.Group("n-code-quoted/"+ncodequoted).Do(ctx, request, func(tx *mainstem.Txn) error {
		version, err := events.Version(ctx, tx)
		if err != nil {
			return err
		}
		if version >= Limit {
			return tx.Refuse([]byte("there is none left"))
		}
		_, err = events.AppendAt(tx, version, NCodeQuotedNoteThis{Of: ncodequoted, Request: request})
		return err
	})
}

// Show2 is show: it decides on what has happened, and is refused where the rule would be broken. A request that is repeated under its ID is done once.
func Show2(ctx context.Context, db *mainstem.DB, nowid, request string) (*mainstem.Receipt, error) {
	return db.Group("now").Do(ctx, request, func(tx *mainstem.Txn) error {
		version, err := events.Version(ctx, tx)
		if err != nil {
			return err
		}
		if version >= Limit {
			return tx.Refuse([]byte("there is none left"))
		}
		_, err = events.AppendAt(tx, version, NowShow{Of: nowid, Request: request})
		return err
	})
}

// Fill keeps a view: it follows the events and counts them by what they are about, once, however
// often it is stopped and started. What your view is made of stands in the place of the counting.
func Fill(ctx context.Context, db *mainstem.DB, view string, opts ...mainstem.FollowOption) error {
	appended := mainstem.Match{Kinds: []mainstem.EffectKind{mainstem.EffectAppend}, NamePrefix: events.Name()}
	return db.Follow(ctx, view, appended, func(_ context.Context, tx *mainstem.Txn, batch []mainstem.Change) error {
		for _, change := range batch {
			for _, effect := range change.Effects {
				if err := count(tx, view, effect); err != nil {
					return err
				}
			}
		}
		return nil
	}, opts...)
}

func count(tx *mainstem.Txn, view string, effect mainstem.Effect) error {
	for _, recorded := range effect.Events {
		e, err := registry.Decode(recorded)
		if err != nil {
			return err
		}
		tx.Add(view+"/"+e.About(), 1)
	}
	return nil
}

// Filled is what a view has counted of one thing in a group.
func Filled(ctx context.Context, db *mainstem.DB, view, group, of string) (int64, error) {
	v, err := db.Get(ctx, mainstem.FollowGroup(view, group), view+"/"+of, mainstem.Latest())
	return v.Value.Int, err
}

// PrinterTTL is how long printer may stand still when its holder dies.
const PrinterTTL = 20 * time.Second

// HoldPrinter runs fn while this process alone holds printer. Hand the token to whatever fn changes.
func HoldPrinter(ctx context.Context, db *mainstem.DB, fn lease.Func) error {
	return lease.Hold(ctx, db, "printer", PrinterTTL, fn)
}

// WritePrinter changes what printer protects, only while no later token has been granted.
func WritePrinter(ctx context.Context, db *mainstem.DB, token mainstem.FencingToken, by string) error {
	_, err := db.Group("printer").Do(ctx, "", func(tx *mainstem.Txn) error {
		tx.Require(mainstem.LeaseHeld{Lease: "printer", Token: token})
		tx.Put("written by", []byte(by))
		return nil
	})
	return err
}

// HoldPlotter runs fn while this process alone holds plotter. Hand the token to whatever fn changes.
func HoldPlotter(ctx context.Context, db *mainstem.DB, ttl time.Duration, fn lease.Func) error {
	return lease.Hold(ctx, db, "plotter", ttl, fn)
}

// WritePlotter changes what plotter protects, only while no later token has been granted.
func WritePlotter(ctx context.Context, db *mainstem.DB, token mainstem.FencingToken, by string) error {
	_, err := db.Group("plotter").Do(ctx, "", func(tx *mainstem.Txn) error {
		tx.Require(mainstem.LeaseHeld{Lease: "plotter", Token: token})
		tx.Put("written by", []byte(by))
		return nil
	})
	return err
}
