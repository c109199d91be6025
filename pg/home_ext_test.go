package pg_test

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/pgserver"
	"github.com/mainstemdb/mainstem/pg"
)

const era = 1 << 40

// sameOn is the same schema as another server has it.
func sameOn(t *testing.T, db *pg.DB, on *pgserver.Server) *pg.DB {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), on.DSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return &pg.DB{Pool: pool, Schema: db.Schema}
}

func another(t *testing.T, start func(context.Context) (*pgserver.Server, error)) *pgserver.Server {
	t.Helper()
	s, err := start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// positions are where the events are, by their data.
func positions(events []pg.Event) (list string) {
	var b strings.Builder
	for _, e := range events {
		era, n := e.Position/era, e.Position%era
		b.WriteString(string(e.Data) + "@" + string(rune('0'+era)) + "." + string(rune('0'+n)) + " ")
	}
	return b.String()
}

// TestFailover: a standby becomes the primary. Positions begin anew, so that
// those which the former primary may have given in its last moments mean nothing
// else; tokens grow even where their last grants are lost; and consumers go on.
func TestFailover(t *testing.T) {
	db := open(t)
	standby := another(t, func(ctx context.Context) (*pgserver.Server, error) { return server.On(t).Standby(ctx, "one") })
	stop := background(t, "relay", (&pg.Relay{DB: db, Poll: time.Millisecond, TTL: time.Second}).Run)
	put(t, db, "a1", "a2")
	numbered(t, db, 2)
	there := sameOn(t, db, standby)
	_, err := there.Acquire(t.Context(), "l", "ann", time.Minute)
	if wantCode(t, err, mainstem.Unavailable); !strings.Contains(err.Error(), "standby") {
		t.Errorf("a standby that is asked to write says %v", err)
	}
	if got := finding(t, db, "standbys"); got.Code != mainstem.Weak || !strings.Contains(got.Detail, "asynchronously") {
		t.Errorf("of a standby that nothing waits for, check says %+v", got)
	}
	if got := finding(t, there, "role of the server"); got.Code != mainstem.Unavailable {
		t.Errorf("on a standby, check says %+v", got)
	}
	eventually(t, "the standby has it", func() bool { return number(t, there, "SELECT count(*) FROM $S.numbered") == 2 })
	stop()
	before, err := db.Acquire(t.Context(), "l", "ann", time.Minute)
	wantCode(t, err, 0)
	if err := standby.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	run(t, there, "DELETE FROM "+db.Schema+".lease") // as if the grant had been lost
	after, err := there.Acquire(t.Context(), "l", "bob", time.Minute)
	if wantCode(t, err, 0); after.Token <= before.Token {
		t.Errorf("token %d after the failover, %d before", after.Token, before.Token)
	}
	var k taker
	r := relaying(t, there, true)
	background(t, "consumer", func(ctx context.Context) error {
		return r.Consume(ctx, pg.Consumer{Name: "c", Deliver: k.deliver})
	})
	put(t, there, "a3", "a4")
	k.wants(t, "a1 a2 a3 a4")
	if got := positions(numbered(t, there, 4)); got != "1@0.1 2@0.2 3@1.0 4@1.1 " {
		t.Errorf("positions are %s", got)
	}
}

// finding is what Check says of one thing: the worst.
func finding(t *testing.T, db *pg.DB, what string) (worst pg.Finding) {
	t.Helper()
	found, err := db.Check(t.Context())
	wantCode(t, err, 0)
	for _, f := range found {
		if f.What == what && worst.Code == 0 {
			worst = f
		}
	}
	if worst.What == "" {
		t.Fatalf("check says nothing of %s: %+v", what, found)
	}
	return worst
}

// TestRestore: a dump is restored on another server, whose transaction IDs begin
// low. What was numbered keeps its position, what was not gets one, and nothing
// that is appended there is overlooked, whether before the relay came or after.
func TestRestore(t *testing.T) {
	db := open(t)
	stop := background(t, "relay", (&pg.Relay{DB: db, Poll: time.Millisecond, TTL: time.Second}).Run)
	put(t, db, "a1", "a2")
	numbered(t, db, 2)
	stop()
	put(t, db, "a3")
	other := another(t, func(ctx context.Context) (*pgserver.Server, error) {
		return pgserver.Start(ctx, pgserver.Config{Settings: settings})
	})
	there := sameOn(t, db, other)
	// Here many transactions have been: what is appended there has lower IDs.
	run(t, db, "DO $$ BEGIN FOR i IN 1..5000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$")
	stop = background(t, "relay", (&pg.Relay{DB: db, Poll: time.Millisecond, TTL: time.Second}).Run)
	numbered(t, db, 3)
	stop()
	put(t, db, "a4")
	restored(t, db, other)
	if here, gone := number(t, there, "SELECT pg_current_xact_id()::text::bigint"), number(t, db, "SELECT pg_snapshot_xmax(seen)::text::bigint FROM $S.relay"); here > gone {
		t.Fatalf("transaction IDs are at %d there, at %d here: this shows nothing", here, gone)
	}
	put(t, there, "a5")
	open := begin(t, there, pgx.ReadCommitted)
	appendEvent(t, there, open, "a", "6")
	relaying(t, there, true)
	if got := positions(numbered(t, there, 5)); got != "1@0.1 2@0.2 3@0.3 4@1.0 5@1.1 " {
		t.Errorf("positions are %s", got)
	}
	commit(t, open)
	put(t, there, "a7")
	if got := positions(numbered(t, there, 7)); got != "1@0.1 2@0.2 3@0.3 4@1.0 5@1.1 6@1.2 7@1.3 " {
		t.Errorf("positions are %s", got)
	}
}

// TestRestoreBeforeTheFirstNumber: a dump of a schema in which nothing was ever
// numbered. Its transaction IDs are higher than the other server's, and each drain
// there numbered its events again.
func TestRestoreBeforeTheFirstNumber(t *testing.T) {
	db := open(t)
	run(t, db, "DO $$ BEGIN FOR i IN 1..5000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$")
	put(t, db, "a1", "a2")
	there := restored(t, db, another(t, func(ctx context.Context) (*pgserver.Server, error) {
		return pgserver.Start(ctx, pgserver.Config{Settings: settings})
	}))
	put(t, there, "a3")
	for range 3 {
		number(t, there, "SELECT numbered FROM $S.drain(1)")
	}
	put(t, there, "a4")
	number(t, there, "SELECT numbered FROM $S.drain(1)")
	if got, want := positions(numbered(t, there, 4)), "1@0.1 2@0.2 3@0.3 4@0.4 "; got != want {
		t.Errorf("positions are %s, want %s", got, want)
	}
	if number(t, there, "SELECT $S.pending()::int") != 0 {
		t.Error("with everything numbered, something is pending")
	}
}

// restored is a dump of the schema on another server.
func restored(t *testing.T, db *pg.DB, on *pgserver.Server) *pg.DB {
	t.Helper()
	dump, err := exec.CommandContext(t.Context(), pgDump(t), "-d", server.On(t).DSN(), "-n", db.Schema).Output()
	if err != nil {
		t.Fatal(err)
	}
	load := exec.CommandContext(t.Context(), "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", on.DSN())
	load.Stdin = bytes.NewReader(dump)
	if said, err := load.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	return sameOn(t, db, on)
}

// pgDump is the program of the server's own version.
func pgDump(t *testing.T) string {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/pg_dump")
	if err != nil || len(found) == 0 {
		return "pg_dump"
	}
	return found[len(found)-1]
}
