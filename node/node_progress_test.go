package node_test

import (
	"fmt"
	"testing"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
)

// TestFeedCarriesTheTokenOn: a reader of something rare gets on, although
// nothing matches, and resumes behind what it passed over.
func TestFeedCarriesTheTokenOn(t *testing.T) {
	ctx := t.Context()
	db, err := embedded.InMemory(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for i := range 3 {
		_, err := db.Group("busy").Do(ctx, "", func(tx *mainstem.Txn) error {
			tx.Put("k", fmt.Append(nil, i))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	from := mainstem.From{Match: mainstem.Match{Groups: []string{"rare"}}, Drain: true}
	for b, err := range db.Changes(ctx, from) {
		t.Fatalf("three changes that do not match gave %v, %v", b, err)
	}
	const most = 5000
	for i := range most {
		_, err := db.Group("busy").Do(ctx, "", func(tx *mainstem.Txn) error {
			tx.Put("k", fmt.Append(nil, i))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	batches := 0
	for b, err := range db.Changes(ctx, from) {
		if err != nil || len(b.Changes) > 0 {
			t.Fatalf("%v, %v", b.Changes, err)
		}
		from.After = b.Token
		batches++
	}
	if batches != 1 {
		t.Fatalf("%d changes passed over gave %d batches without changes, not 1", most+3, batches)
	}
	if marks := from.After.Marks(); len(marks) != 1 || marks[0].Position < 4096 {
		t.Fatalf("the token got to %v", marks)
	}
}
