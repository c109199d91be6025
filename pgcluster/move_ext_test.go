package pgcluster_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/engine/postgres"
	"github.com/mainstemdb/mainstem/internal/sharedlog"
	"github.com/mainstemdb/mainstem/journal"
	"github.com/mainstemdb/mainstem/node"
	"github.com/mainstemdb/mainstem/pgcluster"
)

// movable is a node on logs that reaches the logs of worlds by the names of their schemas.
func movable(t *testing.T, logs *journal.Database) *embedded.DB {
	t.Helper()
	reach := func(ctx context.Context, schema string) (*journal.Database, error) {
		return postgres.Open(ctx, postgres.Config{URL: server.On(t).DSN(), Schema: schema})
	}
	db, err := embedded.Open(t.Context(), t.TempDir(), embedded.Memory(16<<20), embedded.Cluster(logs, "a", node.Shared{TakeOver: 5 * time.Millisecond, Reach: reach}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("closing the node: %v", err)
		}
	})
	return db
}

// move moves a database to the log of a world.
func (w *world) move(db *embedded.DB) {
	w.Helper()
	_, err := db.Move(w.Context(), w.log, func(node.MoveProgress) {})
	w.must(err)
}

// TestCommitWithBehindBase: a log that a database was moved to without its oldest
// records takes commits with SQL like any other, under the database's own positions.
func TestCommitWithBehindBase(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	store := sharedlog.NewStore()
	logs, ways := sharedlog.Database([16]byte{1}, store)
	db := movable(t, logs)
	var before *mainstem.Receipt
	for range 20 {
		var err error
		before, err = db.Group("shop").Do(t.Context(), "", func(tx *mainstem.Txn) error { tx.Add("sold", 1); return nil })
		w.must(err)
	}
	oldest, records := store.Records()
	w.must(ways[0].Trim(t.Context(), oldest+uint64(len(records))/2))
	w.move(db)
	if _, _, base := db.Node().LogOf("shop"); base == 0 {
		t.Fatal("the log begins with the first record")
	}
	first, err := w.pair(t.Context(), db, w.pg.Pool, "o-1", nil)
	w.must(err)
	if first.Position <= before.Position || first.Incarnation != before.Incarnation || w.rows("o-1") != 1 || sold(t, db) != 21 {
		t.Fatalf("receipt %+v behind %+v, %d rows, %d sold", first, before, w.rows("o-1"), sold(t, db))
	}
	again, err := w.pair(t.Context(), db, w.pg.Pool, "o-1", nil)
	w.must(err)
	if !again.Replayed || again.Token != first.Token || sold(t, db) != 21 {
		t.Fatalf("again: %+v, was %+v", again, first)
	}
}

// meanwhile is a caller's transaction before whose first statement something happens.
type meanwhile struct {
	pgx.Tx
	do func()
}

func (m *meanwhile) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if m.do != nil {
		do := m.do
		m.do = nil
		do()
	}
	return m.Tx.QueryRow(ctx, sql, args...)
}

// TestCommitWithOvertaken: a caller who knows which log to lock, and is overtaken by a
// move, commits nothing there, where nobody would read it.
func TestCommitWithOvertaken(t *testing.T) {
	t.Parallel()
	w, to := newWorld(t), newWorld(t)
	logs, err := postgres.Open(t.Context(), postgres.Config{URL: server.On(t).DSN(), Schema: w.log})
	w.must(err)
	db := movable(t, logs)
	_, err = w.pair(t.Context(), db, w.pg.Pool, "before", nil)
	w.must(err)
	tx := &meanwhile{w.begin(pgx.TxOptions{}), func() { to.move(db) }}
	_, err = tx.Exec(t.Context(), "INSERT INTO "+w.table+" (id) VALUES ('overtaken')")
	w.must(err)
	add := func(tx *mainstem.Txn) error { tx.Add("sold", 1); return nil }
	_, err = pgcluster.CommitWith(t.Context(), db, tx, "shop", "overtaken", add)
	wants(t, err, mainstem.RetryTransaction, "has moved")
	if w.rows("overtaken") != 0 || sold(t, db) != 1 {
		t.Errorf("%d rows, %d sold", w.rows("overtaken"), sold(t, db))
	}
	_, err = w.pair(t.Context(), db, w.pg.Pool, "overtaken", nil)
	w.must(err)
	if w.rows("overtaken") != 1 || sold(t, db) != 2 {
		t.Errorf("again: %d rows, %d sold", w.rows("overtaken"), sold(t, db))
	}
}
