package store

import (
	"github.com/cockroachdb/pebble/v2"

	"github.com/mainstemdb/mainstem/internal/state"
)

// comparer orders rows as bytes, and tells Pebble where the name of a version
// ends: filters are of names, so that looking for the newest version of a key
// passes over the tables that have none, without knowing its position.
//
// Its name is in every table. Another split under the same name would make
// filters say no where a row is: it needs another name, and states are built anew.
var comparer = func() *pebble.Comparer {
	c := *pebble.DefaultComparer
	c.Name = "mainstem.names.1"
	c.Split = state.Split
	return &c
}()
