package pg_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
)

// TestRestoredSnapshot: a server goes on from an older snapshot of its storage, with
// the same identity and timeline, and gives positions again. Whoever is ahead of it
// was told nothing until those had passed, and then left out what had them.
func TestRestoredSnapshot(t *testing.T) {
	db := open(t)
	drain := func() { number(t, db, "SELECT numbered FROM $S.drain(1)") }
	put(t, db, "a1", "a2", "a3")
	drain()
	var k taker
	said := make(warned, 1)
	consumer := pg.Consumer{Name: "c", Deliver: k.deliver}
	background(t, "consumer", func(ctx context.Context) error {
		return (&pg.Relay{DB: db, Poll: time.Millisecond, Logger: slog.New(slog.NewTextHandler(said, nil))}).Consume(ctx, consumer)
	})
	k.wants(t, "a1 a2 a3")
	eventually(t, "its cursor has moved", func() bool { return cursorAt(t, db, "c") == 3 })
	run(t, db, `BEGIN; UPDATE $S.relay SET last = 1; UPDATE $S.cursor SET position = 1;
		DELETE FROM $S.numbered WHERE position > 1; DELETE FROM $S.event WHERE id > 1; COMMIT`)
	_, err := db.Events(t.Context(), 3, 10)
	wantCode(t, err, mainstem.HistoryLost)
	<-said
	put(t, db, "b4", "b5")
	drain()
	k.wants(t, "a1 a2 a3 b4 b5")
	run(t, db, "INSERT INTO $S.cursor (name, position) VALUES ('ahead', 1000)")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ahead := pg.Consumer{Name: "ahead", Deliver: k.deliver}
	wantCode(t, (&pg.Relay{DB: db}).Consume(ctx, ahead), mainstem.HistoryLost)
	events, err := db.Events(t.Context(), mainstem.Position(number(t, db, "SELECT last FROM $S.relay")), 10)
	if wantCode(t, err, 0); len(events) != 0 {
		t.Errorf("after the last event there is %+v", events)
	}
}

// TestTargetOfARestoredSnapshot: the target is ahead of a source that was set back. The
// events that got its positions were taken for those whose effects are there.
func TestTargetOfARestoredSnapshot(t *testing.T) {
	db, target := open(t), open(t)
	put(t, db, "a1", "a2")
	number(t, db, "SELECT numbered FROM $S.drain(1)")
	run(t, target, "INSERT INTO $S.applied (name, position) VALUES ('c', 3)")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err := (&pg.Relay{DB: db, Logger: slog.New(slog.DiscardHandler)}).ConsumeInto(ctx, into(t, target, func() string { return "" }))
	wantCode(t, err, mainstem.HistoryLost)
	if n := cursorAt(t, db, "c"); n != 0 {
		t.Errorf("the cursor is at %d", n)
	}
}

// warned is told when something is logged.
type warned chan bool

func (w warned) Write(line []byte) (int, error) {
	select {
	case w <- true:
	default:
	}
	return len(line), nil
}
