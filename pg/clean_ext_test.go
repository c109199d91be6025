package pg_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestCleanWaitsForNobody: a row that somebody holds is left for the next time, and
// the others go.
func TestCleanWaitsForNobody(t *testing.T) {
	db := open(t)
	pay(t, db, "held")
	pay(t, db, "free")
	run(t, db, "UPDATE $S.request SET until = until - interval '1 year'")
	holds := begin(t, db, pgx.ReadCommitted)
	if _, err := holds.Exec(t.Context(), "SELECT FROM "+db.Schema+".request WHERE key = 'held' FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for _, want := range []int64{1, 0} {
		if n, err := db.Clean(ctx); n != want || err != nil {
			t.Errorf("%d keys are gone, want %d; %v", n, want, err)
		}
	}
	commit(t, holds)
	if n, err := db.Clean(ctx); n != 1 || err != nil {
		t.Errorf("once it is free, %d keys are gone, %v", n, err)
	}
}
