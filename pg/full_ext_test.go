//go:build linux

package pg_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/pgserver"
	"github.com/mainstemdb/mainstem/internal/pgtest"
	"github.com/mainstemdb/mainstem/internal/smalldisk"
	"github.com/mainstemdb/mainstem/pg"
)

// TestFullDisk: what cannot be kept is an error that says so, or waits; once there is
// room again everything goes on by itself, and each request has run once.
func TestFullDisk(t *testing.T) {
	running(t)
	disk := smalldisk.New(t)
	s := pgtest.Start(t, pgserver.Config{Dir: disk.Dir, Settings: append([]string{"max_wal_size=64MB", "shared_buffers=16MB"}, settings...)})
	db := openOn(t, s, nil)
	relaying(t, db, true)
	var k taker
	background(t, "consumer", func(ctx context.Context) error {
		return (&pg.Relay{DB: db, TTL: time.Second}).Consume(ctx, pg.Consumer{Name: "c", Deliver: k.deliver})
	})
	pay(t, db, "1")
	k.wants(t, "s1")

	disk.Fill()
	large := mainstem.Event{Type: "large", Data: make([]byte, 100<<10)}
	var err error
	for i := 0; err == nil; i++ {
		if i > 1000 {
			t.Fatal("the disk is never full")
		}
		err = pgx.BeginFunc(t.Context(), db.Pool, func(tx pgx.Tx) error { return pg.Append(t.Context(), pg.In(db.Schema, tx), "large", large) })
	}
	if wantCode(t, err, mainstem.Unavailable); !strings.Contains(err.Error(), "disk is full") {
		t.Errorf("%v", err)
	}
	waits := make(chan error, 1)
	go func() {
		_, err := db.Run(t.Context(), pg.Request{Key: "2"}, func(ctx context.Context, tx pgx.Tx) ([]byte, error) {
			effect(t, db, tx, "2")
			return nil, pg.Append(ctx, pg.In(db.Schema, tx), "large", large, mainstem.Event{Type: "t", Data: []byte("2")})
		})
		waits <- err
	}()
	select {
	case err := <-waits:
		t.Errorf("a request on a full disk ended at once: %v", err)
	case <-time.After(100 * time.Millisecond): //tidy:sleep it tries again for longer than this
	}
	disk.Empty()
	wantCode(t, <-waits, 0)
	if n := effects(t, db, "2"); n != 1 {
		t.Errorf("%d effects", n)
	}
	pay(t, db, "3")
	eventually(t, "events are delivered again", func() bool { return strings.HasSuffix(k.list(), " s3") })

	// Without room for its log the server ends, and whoever runs it starts it again.
	disk.Fill()
	for i := 0; i < 100; i++ {
		if _, err := db.Pool.Exec(t.Context(), "SELECT pg_logical_emit_message(true, 'fills', repeat('x', 1000000))"); err != nil {
			break
		}
	}
	eventually(t, "the server has ended", func() bool { return db.Pool.Ping(t.Context()) != nil })
	disk.Empty()
	_ = s.Kill() // it may try to recover, or have given up
	if err := s.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if reply := pay(t, db, "1"); !reply.Replayed {
		t.Error("a request that was acknowledged has run again")
	}
	pay(t, db, "4")
	eventually(t, "events are delivered again", func() bool { return strings.HasSuffix(k.list(), " s4") })
}
