package mainstem_test

import (
	"context"
	"log"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
)

// openExample is a database in memory, for the examples; embedded.Open keeps
// one in a directory.
func openExample() *mainstem.DB {
	db, err := embedded.InMemory(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	return db.DB
}
