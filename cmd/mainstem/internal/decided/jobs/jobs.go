// Package jobs is the data model that was proposed, as code that runs. Names of groups, keys
// and events are as proposed; what is decided in the functions is an example, and yours to write.
package jobs

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
		return embedded.InMemory(ctx)
	}
	return embedded.Open(ctx, dir)
}

// JobTTL is how long job may stand still when its holder dies.
const JobTTL = 30 * time.Second

// HoldJob runs fn while this process alone holds job. Hand the token to whatever fn changes.
func HoldJob(ctx context.Context, db *mainstem.DB, fn lease.Func) error {
	return lease.Hold(ctx, db, "job", JobTTL, fn)
}

// WriteJob changes what job protects, only while no later token has been granted.
func WriteJob(ctx context.Context, db *mainstem.DB, token mainstem.FencingToken, by string) error {
	_, err := db.Group("job").Do(ctx, "", func(tx *mainstem.Txn) error {
		tx.Require(mainstem.LeaseHeld{Lease: "job", Token: token})
		tx.Put("written by", []byte(by))
		return nil
	})
	return err
}
