// Package profiles is the data model that was proposed, as code that runs. Names of groups, keys
// and events are as proposed; what is decided in the functions is an example, and yours to write.
package profiles

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

// State is the one value that is decided on.
type State struct {
	Given int64  `json:"given"`
	Last  string `json:"last"` // the request that changed it
}

var codec = mainstem.JSON[State]()

// Edit is edit: it writes without looking. A request that is repeated under its ID is done once.
func Edit(ctx context.Context, db *mainstem.DB, profile, request string) (*mainstem.Receipt, error) {
	return db.Group("profile/"+profile).Do(ctx, request, func(tx *mainstem.Txn) error {
		if err := mainstem.NewKey("state", codec).Put(tx, State{Last: request}); err != nil {
			return err
		}
		return nil
	})
}
