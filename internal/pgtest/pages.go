package pgtest

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Asked is a connection, a pool or a transaction.
type Asked interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Pages runs a statement, and tells how many pages of tables and indexes it touches.
func Pages(t testing.TB, on Asked, statement string) int {
	t.Helper()
	var said []byte
	if err := on.QueryRow(t.Context(), "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "+statement).Scan(&said); err != nil {
		t.Fatal(err)
	}
	var plans []struct {
		Plan struct {
			Hit  int `json:"Shared Hit Blocks"`
			Read int `json:"Shared Read Blocks"`
		}
	}
	if err := json.Unmarshal(said, &plans); err != nil || len(plans) != 1 {
		t.Fatalf("%s: %v", said, err)
	}
	return plans[0].Plan.Hit + plans[0].Plan.Read
}
