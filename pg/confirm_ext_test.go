package pg_test

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem/pg"
)

// waits says how many COMMITs wait for the standby.
func (p *pair) waits(t *testing.T) int64 {
	t.Helper()
	return number(t, p.readers.DB, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
}

// hangs has a statement committed here, and crashes the primary while that waits for
// the standby.
func (p *pair) hangs(t *testing.T, sql string) {
	t.Helper()
	ended := make(chan error, 1)
	go func() {
		_, err := p.readers.DB.Pool.Exec(t.Context(), p.sql(sql))
		ended <- err
	}()
	eventually(t, "a COMMIT waits for the standby", func() bool { return p.waits(t) == 1 })
	if err := p.primary.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Errorf("%s was answered", sql)
	}
	p.readers.DB.Pool.Reset()
	if err := p.primary.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestEventAfterACrash: a primary shows, once it is up again, what no standby has
// confirmed. An event that is read then would be lost by a failover, or have another
// position after it.
func TestEventAfterACrash(t *testing.T) {
	p := newPair(t)
	p.isSynchronous(t)
	db := p.readers.DB
	put(t, db, "a1")
	number(t, db, "SELECT numbered FROM $S.drain(1)")
	p.stop(t)
	p.hangs(t, "INSERT INTO $S.event (stream, type, data) VALUES ('s', 't', '2')")
	p.hangs(t, "SELECT $S.drain(1)")
	if n := number(t, db, "SELECT count(*) FROM $S.numbered"); n != 2 {
		t.Fatalf("after the crash %d events are numbered, so this shows nothing", n)
	}
	if events, err := db.Events(t.Context(), 2, 10); err != nil || len(events) != 0 {
		t.Errorf("where there is nothing, nobody waits: %d events, %v", len(events), err)
	}
	type answer struct {
		events []pg.Event
		err    error
	}
	read := make(chan answer, 1)
	go func() {
		events, err := db.Events(t.Context(), 1, 10)
		read <- answer{events, err}
	}()
	eventually(t, "the reader waits for the standby", func() bool { return len(read) > 0 || p.waits(t) == 1 })
	if len(read) > 0 {
		t.Errorf("an event that no standby has is read: %+v", <-read)
		return
	}
	if err := p.standby.Resume(); err != nil {
		t.Fatal(err)
	}
	if a := <-read; a.err != nil || len(a.events) != 1 || string(a.events[0].Data) != "2" {
		t.Errorf("once the standby is back: %+v", a)
	}
}

// TestEventWhoseCommitWasCancelled: so does a primary on which an operator cancels
// what waits for the standby. A consumer waits all the same, and where that is
// cancelled too, is told.
func TestEventWhoseCommitWasCancelled(t *testing.T) {
	p := newPair(t)
	p.isSynchronous(t)
	db := p.watched(t)
	var k taker
	r := &pg.Relay{DB: db, Poll: time.Millisecond, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
	background(t, "consumer", func(ctx context.Context) error { return r.Consume(ctx, pg.Consumer{Name: "c", Deliver: k.deliver}) })
	put(t, db, "a1")
	number(t, db, "SELECT numbered FROM $S.drain(1)")
	k.wants(t, "a1")
	eventually(t, "its cursor has moved", func() bool { return cursorAt(t, db, "c") == 1 })
	put(t, db, "a2")
	p.stop(t)
	cancelled := int64(0)
	cancel := func() bool {
		n := number(t, p.readers.DB, "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
		cancelled += n
		return n > 0
	}
	go func() { _, _ = p.readers.DB.Pool.Exec(t.Context(), p.sql("SELECT $S.drain(1)")) }()
	eventually(t, "the relay's COMMIT is cancelled", cancel)
	for range 3 {
		eventually(t, "a COMMIT of the consumer's is cancelled", func() bool { return k.list() != "a1" || cancel() })
	}
	if got := k.list(); got != "a1" {
		t.Errorf("after %d cancelled COMMITs, the consumer has %s", cancelled, got)
	}
	if err := p.standby.Resume(); err != nil {
		t.Fatal(err)
	}
	k.wants(t, "a1 a2")
}
