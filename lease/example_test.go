package lease_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/lease"
)

// One process at a time does the work; its token keeps a paused one from
// writing later.
func ExampleHold() {
	ctx := context.Background()
	db, err := embedded.InMemory(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	report := func(token mainstem.FencingToken) error {
		_, err := db.Group("billing").Do(ctx, "", func(tx *mainstem.Txn) error {
			tx.Require(mainstem.LeaseHeld{Lease: "nightly", Token: token})
			tx.Add("reports", 1)
			return nil
		})
		return err
	}
	var stale mainstem.FencingToken
	for range 2 {
		err = lease.Hold(ctx, db.DB, "billing/nightly", 15*time.Second, func(_ context.Context, token mainstem.FencingToken) error {
			if stale == 0 {
				stale = token
			}
			return report(token)
		})
		fmt.Println("held:", err)
	}
	fmt.Println("late:", mainstem.CodeOf(report(stale)))
	// Output:
	// held: <nil>
	// held: <nil>
	// late: fenced
}
