package pg_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
)

// TestAppend: an event is there exactly when its transaction is, with all that
// was said of it, and in the order of insertion.
func TestAppend(t *testing.T) {
	eachCaller(t, func(t *testing.T, db *pg.DB, c caller) {
		relaying(t, db, false)
		by := mainstem.Meta{Actor: "ann", Request: "r1", Trace: "t1"}
		wantCode(t, c.in(t, db, func(tx pg.Tx) error {
			return pg.Append(pg.By(t.Context(), by), tx, "orders",
				mainstem.Event{Type: "placed", Data: []byte{0, 1, 255}}, mainstem.Event{Type: "paid"})
		}), 0)
		_ = c.in(t, db, func(tx pg.Tx) error {
			appendEvent(t, db, tx, "orders", "never")
			return fmt.Errorf("rolls back")
		})
		wantCode(t, c.in(t, db, func(tx pg.Tx) error {
			many := make([]mainstem.Event, 200)
			for i := range many {
				many[i] = mainstem.Event{Type: strconv.Itoa(i)}
			}
			return pg.Append(t.Context(), tx, "many", many...)
		}), 0)
		events := numbered(t, db, 202)
		first := events[0]
		if first.Position != 1 || first.Stream != "orders" || first.Type != "placed" || string(first.Data) != "\x00\x01\xff" || first.Meta != by || first.Made.IsZero() {
			t.Errorf("the first event came as %+v", first)
		}
		for i, e := range events[2:] {
			if e.Type != strconv.Itoa(i) || e.Position != mainstem.Position(i+3) {
				t.Fatalf("event %d of one append is %s at %d", i, e.Type, e.Position)
			}
		}
	})
}

// TestAppendLimits: each limit from both sides.
func TestAppendLimits(t *testing.T) {
	db := open(t)
	long := func(n int) string { return strings.Repeat("x", n) }
	half := mainstem.LimitMeta / 2
	for name, c := range map[string]struct {
		by     mainstem.Meta
		stream string
		event  mainstem.Event
		n      int
		want   mainstem.Code
	}{
		"largest data":         {stream: "s", event: mainstem.Event{Type: "t", Data: make([]byte, mainstem.LimitValue)}, n: 1},
		"too large data":       {stream: "s", event: mainstem.Event{Type: "t", Data: make([]byte, mainstem.LimitValue+1)}, n: 1, want: mainstem.TooLarge},
		"too large together":   {stream: "s", event: mainstem.Event{Type: "t", Data: make([]byte, mainstem.LimitValue)}, n: 2, want: mainstem.TooLarge},
		"most events":          {stream: "s", event: mainstem.Event{Type: "t"}, n: mainstem.LimitOperations},
		"too many events":      {stream: "s", event: mainstem.Event{Type: "t"}, n: mainstem.LimitOperations + 1, want: mainstem.TooLarge},
		"longest stream":       {stream: long(mainstem.LimitName), event: mainstem.Event{Type: "t"}, n: 1},
		"too long stream":      {stream: long(mainstem.LimitName + 1), event: mainstem.Event{Type: "t"}, n: 1, want: mainstem.TooLarge},
		"no type":              {stream: "s", n: 1, want: mainstem.Invalid},
		"largest meta":         {by: mainstem.Meta{Actor: long(half), Trace: long(half)}, stream: "s", event: mainstem.Event{Type: "t"}, n: 1},
		"too large meta":       {by: mainstem.Meta{Actor: long(half), Request: "x", Trace: long(half)}, stream: "s", event: mainstem.Event{Type: "t"}, n: 1, want: mainstem.TooLarge},
		"meta that is no text": {by: mainstem.Meta{Actor: "\xff"}, stream: "s", event: mainstem.Event{Type: "t"}, n: 1, want: mainstem.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			events := make([]mainstem.Event, c.n)
			for i := range events {
				events[i] = c.event
			}
			before := number(t, db, "SELECT count(*) FROM $S.event")
			tx := begin(t, db, pgx.ReadCommitted)
			wantCode(t, pg.Append(pg.By(t.Context(), c.by), pg.In(db.Schema, tx), c.stream, events...), c.want)
			commit(t, tx)
			added := number(t, db, "SELECT count(*) FROM $S.event") - before
			if want := int64(c.n); c.want == 0 && added != want || c.want != 0 && added != 0 {
				t.Errorf("%d of %d events were added", added, want)
			}
		})
	}
}

// TestKindOfStream: a plain append to a stream with versions is refused, also where it
// is sent with COMMIT, and nothing of its transaction is committed. A stream in which
// an append with a version was tried in vain has none.
func TestKindOfStream(t *testing.T) {
	eachCaller(t, func(t *testing.T, db *pg.DB, c caller) {
		event := mainstem.Event{Type: "e"}
		wantCode(t, c.in(t, db, func(tx pg.Tx) error {
			_, err := pg.AppendVersioned(t.Context(), tx, "v", 0, event)
			return err
		}), 0)
		err := c.in(t, db, func(tx pg.Tx) error {
			effect(t, db, tx, "never")
			return pg.Append(t.Context(), tx, "v", event)
		})
		if wantCode(t, err, mainstem.Invalid); !strings.Contains(err.Error(), `stream v have versions`) || !strings.Contains(err.Error(), "AppendVersioned") {
			t.Errorf("a plain append to a stream with versions says %v", err)
		}
		if effects(t, db, "never") != 0 {
			t.Error("what came before a refused append is committed")
		}
		_, err = db.Run(t.Context(), pg.Request{Key: "k"}, func(ctx context.Context, tx pgx.Tx) ([]byte, error) {
			return nil, pg.Append(ctx, tx, "v", event)
		})
		if wantCode(t, err, mainstem.Invalid); number(t, db, "SELECT count(*) FROM $S.request") != 0 {
			t.Error("the key of a request whose append was refused is kept")
		}
		wantCode(t, c.in(t, db, func(tx pg.Tx) error {
			_, err := pg.AppendVersioned(t.Context(), tx, "p", 7, event)
			if mainstem.CodeOf(err) != mainstem.Conflict {
				t.Errorf("version 7 of an empty stream: %v", err)
			}
			return pg.Append(t.Context(), tx, "p", event, event)
		}), 0)
		if n := number(t, db, "SELECT count(*) FROM $S.event"); n != 3 {
			t.Errorf("%d events are there, want 3", n)
		}
	})
}

// TestVersionedStream: versions are dense, an expectation that fails leaves the
// stream and the transaction as they were, and the order of versions is that of
// positions.
func TestVersionedStream(t *testing.T) {
	db := open(t)
	relaying(t, db, false)
	event := mainstem.Event{Type: "e"}
	appendAt := func(version int64, n int) (int64, error) {
		events := make([]mainstem.Event, n)
		for i := range events {
			events[i] = event
		}
		var got int64
		var err error
		e := pgx.BeginFunc(t.Context(), db.Pool, func(tx pgx.Tx) error {
			got, err = pg.AppendVersioned(t.Context(), pg.In(db.Schema, tx), "s", version, events...)
			return nil // the transaction goes on after a conflict
		})
		if e != nil {
			t.Fatal(e)
		}
		return got, err
	}
	for _, c := range []struct {
		at    int64
		n     int
		want  int64
		fails mainstem.Code
	}{
		{0, 2, 2, 0}, {0, 1, 2, mainstem.Conflict}, {2, 1, 3, 0}, {5, 1, 3, mainstem.Conflict}, {pg.AnyVersion, 1, 4, 0}, {4, 0, 4, 0},
	} {
		got, err := appendAt(c.at, c.n)
		if wantCode(t, err, c.fails); got != c.want {
			t.Errorf("append of %d at %d leaves version %d, want %d", c.n, c.at, got, c.want)
		}
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 5 {
				if _, err := appendAt(pg.AnyVersion, 1); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for i, e := range numbered(t, db, 44) {
		if e.Version != int64(i+1) {
			t.Fatalf("position %d has version %d", e.Position, e.Version)
		}
	}
}

// TestRunWakesTheRelay: an append of Run's names its table itself, and still wakes a
// relay that sleeps, and only then.
func TestRunWakesTheRelay(t *testing.T) {
	db := open(t)
	ears, err := db.Pool.Acquire(t.Context())
	wantCode(t, err, 0)
	defer ears.Release()
	if _, err := ears.Exec(t.Context(), `LISTEN "`+db.Schema+`_staged"`); err != nil {
		t.Fatal(err)
	}
	pay := func(key string) {
		_, err := db.Run(t.Context(), pg.Request{Key: key}, func(ctx context.Context, tx pgx.Tx) ([]byte, error) {
			return nil, pg.Append(ctx, db.In(tx), "s", mainstem.Event{Type: "t"})
		})
		wantCode(t, err, 0)
	}
	heard := func() bool {
		if _, err := ears.Exec(t.Context(), "SELECT"); err != nil { // what the server has for us comes first
			t.Fatal(err)
		}
		n, err := ears.Conn().WaitForNotification(ended)
		return err == nil && n != nil
	}
	pay("awake")
	if heard() {
		t.Error("a relay that is awake was woken: commits wait for each other")
	}
	relay := begin(t, db, pgx.ReadCommitted)
	if _, err := relay.Exec(t.Context(), "SELECT pg_advisory_xact_lock("+db.Schema+".doze())"); err != nil {
		t.Fatal(err)
	}
	pay("asleep")
	if !heard() {
		t.Error("a relay that sleeps was not woken")
	}
	commit(t, relay)
	if n := number(t, db, "SELECT count(*) FROM $S.event WHERE slot = $S.slot()"); n != 2 {
		t.Errorf("%d events, want 2", n)
	}
}

// ended is a context that waits for nothing.
var ended = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()
