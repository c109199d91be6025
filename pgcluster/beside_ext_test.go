package pgcluster_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
	"github.com/mainstemdb/mainstem/pgcluster"
)

// TestTakeOverWaitsForWhoIsAtIt: who was in the middle of something when a takeover came
// ends it, and the takeover after that: neither waits for what the other has.
func TestTakeOverWaitsForWhoIsAtIt(t *testing.T) {
	t.Parallel()
	const place = "SELECT FROM $S.relay ORDER BY step DESC LIMIT 1 FOR UPDATE"
	by := func(sql string) func(*world, pgx.Tx) error {
		return func(w *world, tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), strings.ReplaceAll(sql, "$S", w.pg.Schema), pgx.QueryExecModeSimpleProtocol)
			return err
		}
	}
	for what, does := range map[string]struct {
		begins, ends func(*world, pgx.Tx) error
	}{
		"a drain":                      {by("SELECT $S.at_relay(5); " + place), by("SELECT $S.drain(5)")},
		"a new consumer":               {by(place), by("SELECT $S.subscribe('c', false)")},
		"a relay that takes the place": {by("SELECT $S.at_relay(5)"), by("SELECT $S.drain(5)")},
		"an append to a stream with versions": {by("INSERT INTO $S.stream VALUES ('account', 0)"), func(w *world, tx pgx.Tx) error {
			_, err := pg.AppendVersioned(t.Context(), w.pg.In(tx), "account", 0, mainstem.Event{Type: "opened"})
			return err
		}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.must(w.stage("order", "one"))
			conn, err := w.connect(server.On(t).DSN())
			w.must(err)
			tx := w.begin(pgx.TxOptions{})
			w.must(does.begins(w, tx))
			taken := make(chan error, 1)
			go func() {
				_, err := pgcluster.TakeOver(t.Context(), conn, w.takeover())
				taken <- err
			}()
			for w.number("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%\""+w.pg.Schema+"\".%'") == 0 {
				if len(taken) > 0 {
					t.Fatalf("the takeover did not wait: %v", <-taken)
				}
			}
			err = does.ends(w, tx)
			if err == nil {
				err = tx.Commit(t.Context())
			}
			if err != nil {
				t.Errorf("%s, with a takeover beside it: %v", what, err)
			}
			if err := <-taken; err != nil {
				t.Errorf("the takeover, with %s beside it: %v", what, err)
			}
		})
	}
}
