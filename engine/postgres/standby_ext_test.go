package postgres_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem/internal/pgserver"
	"github.com/mainstemdb/mainstem/internal/pgtest"
	"github.com/mainstemdb/mainstem/journal"
)

// pair is a server and its standby, named "twin".
func pair(t *testing.T) (primary, standby *pgserver.Server) {
	t.Helper()
	t.Parallel() // the servers are its own, and most of such a test is waiting
	primary = pgtest.Start(t, pgserver.Config{Settings: []string{"max_wal_senders=4", "hot_standby=on"}})
	standby, err := primary.Standby(t.Context(), "twin")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := standby.Close(); err != nil {
			t.Error(err)
		}
	})
	return primary, standby
}

// TestStandbyThatDoesNotAnswer: a commit waits for a standby that is named. Where an
// operator ends the wait, the record is on one machine only: its append is unknown,
// nobody reads it, and no tail is confirmed, until the standby has it.
func TestStandbyThatDoesNotAnswer(t *testing.T) {
	primary, standby := pair(t)
	c := install(t, primary, 1)
	run(t, primary, `ALTER SYSTEM SET synchronous_standby_names = 'FIRST 1 (twin)'`)
	run(t, primary, `SELECT pg_reload_conf()`)
	d := open(t, c)
	for d.Guarantees.Machines != 2 { // the reload takes a moment
		closeAll(t, d)
		d = open(t, c)
	}
	l, reader := d.Logs[0], open(t, c).Logs[0]
	head := fill(t, l, journal.Head{}, 3)
	if err := standby.Pause(); err != nil {
		t.Fatal(err)
	}
	waits := make(chan error, 1)
	go func() {
		_, err := l.Append(t.Context(), head, []byte("on one machine"))
		waits <- err
	}()
	// The local commit is done when the server waits for its standby.
	conn := connect(t, primary)
	for cancelled := 0; cancelled == 0; {
		if err := conn.QueryRow(t.Context(), `SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity
			WHERE wait_event = 'SyncRep' AND query LIKE '%append(%'`).Scan(&cancelled); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-waits; !errors.Is(err, journal.ErrUnknown) || !strings.Contains(err.Error(), "warned") {
		t.Errorf("an append whose wait was cancelled: %v, want unknown (L11)", err)
	}
	brief := func() (context.Context, context.CancelFunc) { return context.WithTimeout(t.Context(), time.Second) }
	ctx, cancel := brief()
	defer cancel()
	for e, err := range reader.Read(ctx, 1) {
		if err == nil {
			t.Errorf("a reader is given slot %d, which one machine may have alone (L4)", e.Slot)
		}
	}
	ctx, cancel = brief()
	defer cancel()
	if err := reader.Confirm(ctx, head); err == nil {
		t.Error("a tail was confirmed that no standby has seen (L8)")
	}
	if err := standby.Resume(); err != nil {
		t.Fatal(err)
	}
	next, err := l.Append(t.Context(), head, []byte("on one machine"))
	if err != nil || next.Index != 4 {
		t.Errorf("the same append again: %+v, %v (L11)", next, err)
	}
	if got, err := read(t, reader, 1); err != nil || len(got) != 4 {
		t.Errorf("the log has %q, %v", got, err)
	}
	if err := reader.Confirm(t.Context(), next); err != nil {
		t.Error(err)
	}
}
