package demo

import (
	"context"

	"github.com/mainstemdb/mainstem/embedded"
)

// place is where the database of one run is kept, and what is harmed there. One
// goroutine at a time starts, strikes and reads.
type place interface {
	// start starts it and waits until it answers calls.
	start(ctx context.Context) error
	// line is a shopper's line to it.
	line() *client
	// strike does harm, and waits until everything is back.
	strike(ctx context.Context) error
	// away reports whether something that was harmed is not back yet.
	away() bool
	// read ends it cleanly and opens what it leaves, for the audit.
	read(ctx context.Context) (*embedded.DB, error)
	// end makes sure that nothing is left running, however the run ended.
	end()
}
