package pgcluster_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/proxy"
	"github.com/mainstemdb/mainstem/pgcluster"
)

// pair writes a row of the caller's and an addition of Mainstem's under one ID.
func (w *world) pair(ctx context.Context, db *embedded.DB, pool *pgxpool.Pool, id string, also func(tx pgx.Tx) error) (*mainstem.Receipt, error) {
	tx, err := pool.Begin(ctx)
	if err != nil {
		return nil, mainstem.Errorf(mainstem.Unavailable, "no transaction: %w", err)
	}
	if _, err = tx.Exec(ctx, "INSERT INTO "+w.table+" (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET n = excluded.n + 1", id); err == nil && also != nil {
		err = also(tx)
	}
	if err != nil {
		_ = tx.Rollback(context.WithoutCancel(ctx))
		return nil, mainstem.Errorf(mainstem.RetryTransaction, "the caller's own work: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // CommitWith has ended it
	return pgcluster.CommitWith(ctx, db, tx, "shop", id, func(tx *mainstem.Txn) error {
		tx.Add("sold", 1)
		tx.Reply([]byte(id))
		return nil
	})
}

// rows is how many rows the caller has under an ID.
func (w *world) rows(id string) int64 {
	w.Helper()
	return w.number("SELECT count(*) FROM " + w.table + " WHERE id = '" + id + "'")
}

// sold is the counter of Mainstem's.
func sold(t *testing.T, db *embedded.DB) int64 {
	t.Helper()
	v, err := db.Group("shop").Get(t.Context(), "sold", mainstem.Latest())
	if err != nil {
		t.Fatal(err)
	}
	return v.Value.Int
}

// TestCommitWith: both or neither, once.
func TestCommitWith(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	db := w.node("a", server.On(t).DSN())
	first, err := w.pair(t.Context(), db, w.pg.Pool, "o-1", nil)
	w.must(err)
	if first.Replayed || w.rows("o-1") != 1 || sold(t, db) != 1 {
		t.Fatalf("receipt %+v, %d rows, %d sold", first, w.rows("o-1"), sold(t, db))
	}
	again, err := w.pair(t.Context(), db, w.pg.Pool, "o-1", nil)
	w.must(err)
	if !again.Replayed || again.Position != first.Position || again.Token != first.Token || string(again.Reply) != "o-1" || sold(t, db) != 1 {
		t.Fatalf("again: %+v, was %+v", again, first)
	}
	if n := w.number("SELECT n FROM " + w.table + " WHERE id = 'o-1'"); n != 0 {
		t.Fatal("the repetition has changed the caller's row (L5)")
	}
	// Ordinary commits and these know each other's IDs.
	ordinary, err := db.Group("shop").Do(t.Context(), "o-1", func(*mainstem.Txn) error { return errors.New("it runs again") })
	if err != nil || ordinary.Position != first.Position {
		t.Fatalf("an ordinary repetition: %+v, %v", ordinary, err)
	}
	if _, err := db.Get(t.Context(), "shop", "sold", mainstem.AtLeast(first.Token)); err != nil {
		t.Error(err)
	}
}

// TestCommitWithRollsBack: what the caller wrote goes when Mainstem's part does not hold.
func TestCommitWithRollsBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	db := w.node("a", server.On(t).DSN())
	_, err := db.Group("shop").Do(t.Context(), "before", func(tx *mainstem.Txn) error { tx.Set("stock", 1); return nil })
	w.must(err)
	own := errors.New("own")
	for id, c := range map[string]struct {
		fn   func(tx *mainstem.Txn) error
		code mainstem.Code
		err  error
	}{
		"floor":     {fn: func(tx *mainstem.Txn) error { tx.Add("stock", -2, mainstem.Floor(0)); return nil }, code: mainstem.OutOfRange},
		"condition": {fn: func(tx *mainstem.Txn) error { tx.Require(mainstem.KeyAbsent{Name: "stock"}); return nil }, code: mainstem.Exists},
		"own":       {fn: func(*mainstem.Txn) error { return own }, err: own},
	} {
		tx := w.begin(pgx.TxOptions{})
		_, err := tx.Exec(t.Context(), "INSERT INTO "+w.table+" (id) VALUES ($1)", id)
		w.must(err)
		_, err = pgcluster.CommitWith(t.Context(), db, tx, "shop", id, c.fn)
		if mainstem.CodeOf(err) != c.code || c.err != nil && !errors.Is(err, c.err) {
			t.Errorf("%s: %v", id, err)
		}
		if w.rows(id) != 0 {
			t.Errorf("%s: the caller's row is there", id)
		}
	}
	refuse := func() (*mainstem.Receipt, error) {
		tx := w.begin(pgx.TxOptions{})
		_, err := tx.Exec(t.Context(), "INSERT INTO "+w.table+" (id) VALUES ('refused')")
		w.must(err)
		return pgcluster.CommitWith(t.Context(), db, tx, "shop", "refused", func(tx *mainstem.Txn) error { return tx.Refuse([]byte("sold out")) })
	}
	for i, replayed := range []bool{false, true} {
		if r, err := refuse(); err != nil || !r.Refused || r.Replayed != replayed || w.rows("refused") != 0 {
			t.Errorf("refusal %d: %+v, %v, %d rows", i, r, err, w.rows("refused"))
		}
	}
}

// TestCommitWithReads: what fn reads is what it commits on, whoever wrote just before.
func TestCommitWithReads(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.node("a", server.On(t).DSN()), w.node("b", server.On(t).DSN())
	for i := range int64(20) {
		_, err := a.Group("shop").Do(t.Context(), "", func(tx *mainstem.Txn) error { tx.Set("seen", i); return nil })
		w.must(err)
		tx := w.begin(pgx.TxOptions{})
		_, err = pgcluster.CommitWith(t.Context(), b, tx, "shop", fmt.Sprint("r-", i), func(tx *mainstem.Txn) error {
			v, err := tx.Get(t.Context(), "seen")
			if err == nil && v.Value.Int != i {
				err = fmt.Errorf("read %d, want %d", v.Value.Int, i)
			}
			tx.Set("copy", v.Value.Int)
			return err
		})
		w.must(err)
	}
}

// TestCommitWithRefuses: what cannot be one commit is refused before anything is done.
func TestCommitWithRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	db := w.node("a", server.On(t).DSN())
	nothing := func(*mainstem.Txn) error { t.Error("it runs"); return nil }
	for _, level := range []pgx.TxIsoLevel{pgx.RepeatableRead, pgx.Serializable} {
		_, err := pgcluster.CommitWith(t.Context(), db, w.begin(pgx.TxOptions{IsoLevel: level}), "shop", "id", nothing)
		wants(t, err, mainstem.Invalid, "read committed only")
	}
	begin := func() pgx.Tx { return w.begin(pgx.TxOptions{}) }
	_, err := pgcluster.CommitWith(t.Context(), db, begin(), "shop", "", nothing)
	wants(t, err, mainstem.Invalid, "has no ID")
	_, err = pgcluster.CommitWith(t.Context(), db, begin(), "", "id", nothing)
	wants(t, err, mainstem.Invalid, "group name is empty")
	outer := begin()
	inner, err := outer.Begin(t.Context())
	w.must(err)
	_, err = pgcluster.CommitWith(t.Context(), db, inner, "shop", "id", nothing)
	wants(t, err, mainstem.Invalid, "within a savepoint")
	w.must(outer.Rollback(t.Context()))
	failed := begin()
	_, err = failed.Exec(t.Context(), "SELECT 1/0")
	if err == nil {
		t.Fatal("1/0")
	}
	_, err = pgcluster.CommitWith(t.Context(), db, failed, "shop", "id", nothing)
	wants(t, err, mainstem.RetryTransaction, "failed or ended")
	files, err := embedded.Open(t.Context(), t.TempDir(), embedded.Memory(16<<20))
	w.must(err)
	defer files.Close()
	_, err = pgcluster.CommitWith(t.Context(), files, begin(), "shop", "id", nothing)
	wants(t, err, mainstem.Invalid, "not in PostgreSQL")
	// Another log under the same name: in another database it would be so.
	other := newWorld(t)
	w.sql("ALTER SCHEMA " + w.log + " RENAME TO aside; ALTER SCHEMA " + other.log + " RENAME TO " + w.log)
	_, err = pgcluster.CommitWith(t.Context(), db, begin(), "shop", "id", nothing)
	w.sql("ALTER SCHEMA " + w.log + " RENAME TO " + other.log + "; ALTER SCHEMA aside RENAME TO " + w.log)
	wants(t, err, mainstem.Invalid, "holds the log of")
}

// TestCommitIsLost: the way breaks at COMMIT, the server ends the connection, or the
// caller gives up: the pair is there whole or not at all, and the answer says which.
func TestCommitIsLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	db := w.node("a", server.On(t).DSN())
	way, dsn := w.way()
	config, err := pgxpool.ParseConfig(dsn)
	w.must(err)
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	w.must(err)
	t.Cleanup(pool.Close)
	want, ended := int64(0), int64(0)
	check := func(id string, r *mainstem.Receipt, err error) {
		t.Helper()
		rows, committed := w.rows(id), err == nil
		if committed {
			want++
		} else if code := mainstem.CodeOf(err); code != mainstem.RetryTransaction && code != mainstem.Unavailable && code != mainstem.Cancelled {
			t.Errorf("%s: %v", id, err)
		}
		if got := sold(t, db); got != want || (rows == 1) != committed || committed && r.Replayed {
			t.Errorf("%s: %v, %+v; %d rows, %d sold, want %d", id, err, r, rows, got, want)
		}
	}
	for i := range 6 {
		for name, loss := range map[string]proxy.Loss{"request": proxy.LoseIt, "answer": proxy.LoseAnswer} {
			id := fmt.Sprint(name, i)
			way.LoseOnce("commit", loss)
			r, err := w.pair(t.Context(), db, pool, id, nil)
			if (err == nil) != (loss == proxy.LoseAnswer) {
				t.Errorf("%s: %v", id, err)
			}
			check(id, r, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		way.Lose(func(sent []byte) proxy.Loss {
			if bytes.Contains(sent, []byte("commit")) {
				cancel()
			}
			return proxy.Keep
		})
		id := fmt.Sprint("cancelled", i)
		r, err := w.pair(ctx, db, pool, id, nil)
		cancel()
		check(id, r, err)
		way.Lose(nil)
		id = fmt.Sprint("ended", i)
		way.Lose(func(sent []byte) proxy.Loss {
			if bytes.Contains(sent, []byte("commit")) {
				ended += w.number(fmt.Sprintf(`SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE '%%"%s".append%%' AND state LIKE 'idle in%%'`, w.log))
			}
			return proxy.Keep
		})
		r, err = w.pair(t.Context(), db, pool, id, nil)
		way.Lose(nil)
		check(id, r, err)
	}
	if want == 0 || ended != 6 {
		t.Errorf("%d were committed, %d connections ended", want, ended)
	}
}

// TestCommitArrivesLate: a COMMIT is on its way while its caller has given up: he is told
// that nothing was committed only when nothing can be any more (L11).
func TestCommitArrivesLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	db := w.node("a", server.On(t).DSN())
	way, dsn := w.way()
	pool, err := pgxpool.New(t.Context(), dsn)
	w.must(err)
	t.Cleanup(pool.Close)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	way.Lose(func(sent []byte) proxy.Loss {
		if bytes.Contains(sent, []byte("commit")) {
			cancel()
			// Until somebody waits for the lock that this transaction holds.
			waits := fmt.Sprintf(`SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%%"%s".confirm%%' AND wait_event_type = 'Lock'`, w.log)
			for deadline := time.Now().Add(5 * time.Second); w.number(waits) == 0 && time.Now().Before(deadline); {
				continue
			}
		}
		return proxy.Keep
	})
	r, err := w.pair(ctx, db, pool, "late", nil)
	if err != nil || r.Replayed || w.rows("late") != 1 || sold(t, db) != 1 {
		t.Fatalf("%+v, %v; %d rows, %d sold", r, err, w.rows("late"), sold(t, db))
	}
}
