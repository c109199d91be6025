package pg_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/pgserver"
	"github.com/mainstemdb/mainstem/pg"
)

// inSteps has the drains of a schema number so many events at most.
func inSteps(t *testing.T, db *pg.DB, most int) {
	t.Helper()
	run(t, db, fmt.Sprintf(`CREATE OR REPLACE FUNCTION $S.drain(token bigint, OUT last bigint, OUT numbered bigint) LANGUAGE sql AS
		'SELECT * FROM $S.drain(token, %d)'`, most))
}

// order is what is numbered, by the data of events.
func order(t *testing.T, db *pg.DB) string {
	t.Helper()
	var names []string
	for after := mainstem.Position(0); ; {
		events, err := db.Events(t.Context(), after, pg.LimitEvents)
		if wantCode(t, err, 0); len(events) == 0 {
			return strings.Join(names, " ")
		}
		for _, e := range events {
			names, after = append(names, string(e.Data)), e.Position
		}
	}
}

// TestBacklogInSteps: a backlog that is longer than one drain takes is numbered
// as one drain would have numbered it when the first of its steps looked. What
// becomes visible between the steps comes after all of it, however early it was
// inserted, and nothing is swept that has no position.
func TestBacklogInSteps(t *testing.T) {
	db := open(t)
	drain := func(want int64) {
		t.Helper()
		if got := number(t, db, "SELECT numbered FROM $S.drain(1, 3)"); got != want {
			t.Fatalf("a drain numbered %d events, want %d; there are %s", got, want, order(t, db))
		}
	}
	pending := func() bool { return number(t, db, "SELECT $S.pending()::int") == 1 }
	put(t, db, "a0")
	drain(1)
	early, earlier := begin(t, db, pgx.ReadCommitted), begin(t, db, pgx.ReadCommitted)
	appendEvent(t, db, earlier, "s", "open1") // is in the backlog, by its first identifier and its last
	appendEvent(t, db, early, "s", "late1")   // is inserted first of those that are not in it
	put(t, db, "a1", "a2", "a3", "a4")
	appendEvent(t, db, early, "s", "late2")
	appendEvent(t, db, earlier, "s", "open2")
	commit(t, earlier)
	drain(1) // a step takes so many identifiers: one is numbered already, and one not visible
	commit(t, early)
	put(t, db, "a5")
	run(t, db, "SELECT "+db.Schema+".subscribe('c', true)")
	drain(3)
	if !pending() {
		t.Error("with half a backlog numbered, nothing is pending")
	}
	drain(2)
	drain(3)
	if got, want := order(t, db), "0 open1 1 2 3 4 open2 late1 late2 5"; got != want {
		t.Errorf("the order is %s, want %s", got, want)
	}
	drain(0)
	if pending() {
		t.Error("with everything numbered, something is pending")
	}
	put(t, db, "a6", "a7", "a8") // exactly as many as one drain takes
	drain(3)
	if pending() {
		t.Error("three events were one drain's, and something is pending")
	}
	// Identifiers of transactions that were rolled back leave gaps, longer than a step.
	put(t, db, "a9")
	number(t, db, "SELECT max(nextval('$S.event_id')) FROM generate_series(1, 100)")
	put(t, db, "b1", "b2", "b3")
	drain(1)
	drain(3)
	drain(0)
	if pending() {
		t.Error("a backlog with gaps has ended, and something is pending")
	}
	if got, want := order(t, db), "0 open1 1 2 3 4 open2 late1 late2 5 6 7 8 9 1 2 3"; got != want {
		t.Errorf("the order is %s, want %s", got, want)
	}
}

// TestSweepBetweenSteps: a table of which the backlog's events are not all numbered
// is left alone, also when every cursor is at the end.
func TestSweepBetweenSteps(t *testing.T) {
	db := open(t)
	past := (number(t, db, "SELECT $S.slot()") + 2) % 4
	run(t, db, fmt.Sprintf("INSERT INTO $S.event (slot, stream, type, data) SELECT %d, 's', 't', '' FROM generate_series(1, 5)", past))
	for _, want := range []int64{2, 2, 1} {
		if got := number(t, db, "SELECT numbered FROM $S.drain(1, 2)"); got != want {
			t.Fatalf("a step numbered %d events, want %d", got, want)
		}
		run(t, db, "DELETE FROM $S.cursor; SELECT $S.subscribe('c', true)")
		if number(t, db, "SELECT $S.sweep(1)") != 0 {
			t.Fatal("a table was swept within a backlog")
		}
	}
	number(t, db, "SELECT numbered FROM $S.drain(1, 2)")
	if number(t, db, "SELECT $S.sweep(1)") != 1 {
		t.Error("a table whose events were all numbered and delivered was not swept")
	}
}

// TestFailoverWithinBacklog: the new primary goes on where the former one was in a
// backlog, with the positions of the new era.
func TestFailoverWithinBacklog(t *testing.T) {
	db := open(t)
	put(t, db, "a1", "a2", "a3", "a4", "a5")
	number(t, db, "SELECT numbered FROM $S.drain(1, 2)")
	run(t, db, "UPDATE $S.relay SET home = split_part(home, '/', 1) || '/0'")
	put(t, db, "a6")
	for range 4 {
		number(t, db, "SELECT numbered FROM $S.drain(1, 2)")
	}
	if got, want := positions(numbered(t, db, 6)), "1@0.1 2@0.2 3@1.0 4@1.1 5@1.2 6@1.3 "; got != want {
		t.Errorf("positions are %s, want %s", got, want)
	}
}

// TestRestoreWithinBacklog: a dump that was taken in the middle of a backlog, on
// another server: what has a position keeps it, and the rest gets one each.
func TestRestoreWithinBacklog(t *testing.T) {
	db := open(t)
	// Here many transactions have been: what is appended there has lower IDs.
	run(t, db, "DO $$ BEGIN FOR i IN 1..5000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$")
	put(t, db, "a1", "a2", "a3", "a4", "a5")
	number(t, db, "SELECT numbered FROM $S.drain(1, 2)")
	other := another(t, func(ctx context.Context) (*pgserver.Server, error) {
		return pgserver.Start(ctx, pgserver.Config{Settings: settings})
	})
	there := restored(t, db, other)
	put(t, there, "a6")
	background(t, "relay", (&pg.Relay{DB: there, Poll: time.Millisecond, TTL: time.Second}).Run)
	if got, want := positions(numbered(t, there, 6)), "1@0.1 2@0.2 3@1.0 4@1.1 5@1.2 6@1.3 "; got != want {
		t.Errorf("positions are %s, want %s", got, want)
	}
	put(t, there, "a7")
	if got, want := positions(numbered(t, there, 7)), "1@0.1 2@0.2 3@1.0 4@1.1 5@1.2 6@1.3 7@1.4 "; got != want {
		t.Errorf("positions are %s, want %s", got, want)
	}
}
