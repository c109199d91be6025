package remote_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/mainstemtest"
)

// Each view is a stream. One that its client gave up must end at the server, or
// they fill the connection and nothing goes on.
func TestManyViewsAtOnce(t *testing.T) {
	db := mainstemtest.OpenRemote(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var all sync.WaitGroup
	for range 600 {
		all.Go(func() {
			for range 4 {
				if _, err := db.Get(ctx, "g", "k", mainstem.Latest()); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}
