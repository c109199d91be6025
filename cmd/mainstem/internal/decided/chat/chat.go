// Package chat is the data model that was proposed, as code that runs. Names of groups, keys
// and events are as proposed; what is decided in the functions is an example, and yours to write.
package chat

import (
	"context"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
)

// Open opens the database in a directory, or in memory if there is none.
func Open(ctx context.Context, dir string) (*embedded.DB, error) {
	if dir == "" {
		return embedded.InMemory(ctx)
	}
	return embedded.Open(ctx, dir)
}

// Event is what happens. Each type has a name of its own, which stays.
type Event interface {
	About() string // whose it is
	By() string    // the request that did it
}

// MessageSent is message.sent.v1: send was done.
type MessageSent struct {
	Of      string `json:"of"`
	Request string `json:"request"`
}

// About is what it happened to.
func (e MessageSent) About() string { return e.Of }

// By is the request that did it.
func (e MessageSent) By() string { return e.Request }

var registry = named()

var events = mainstem.NewStream("events", registry)

func named() *mainstem.Registry[Event] {
	r := mainstem.NewRegistry[Event]()
	mainstem.Register[MessageSent](r, "message.sent.v1", "message.sent") // the second is what the first version called it
	return r
}

// State is the one value that is decided on.
type State struct {
	Given int64  `json:"given"`
	Last  string `json:"last"` // the request that changed it
}

var codec = mainstem.JSON[State]()

// Send is send: it writes without looking. A request that is repeated under its ID is done once.
func Send(ctx context.Context, db *mainstem.DB, room, request string) (*mainstem.Receipt, error) {
	return db.Group("room/"+room).Do(ctx, request, func(tx *mainstem.Txn) error {
		if err := mainstem.NewKey("state", codec).Put(tx, State{Last: request}); err != nil {
			return err
		}
		_, err := events.Append(tx, MessageSent{Of: room, Request: request})
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
