package pg_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
)

// relaying runs a relay until the test ends.
func relaying(t *testing.T, db *pg.DB, listen bool) *pg.Relay {
	t.Helper()
	r := &pg.Relay{DB: db, Poll: 2 * time.Millisecond, TTL: time.Second}
	if listen {
		r.Listen = db.Pool.Config().ConnConfig
	}
	background(t, "relay", r.Run)
	return r
}

// background runs something until the test ends; it must end well then.
func background(t *testing.T, what string, fn func(ctx context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- fn(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("%s: %v", what, err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func appendEvent(t *testing.T, db *pg.DB, tx pg.Tx, stream, data string) {
	t.Helper()
	if err := pg.Append(t.Context(), pg.In(db.Schema, tx), stream, mainstem.Event{Type: "test", Data: []byte(data)}); err != nil {
		t.Fatal(err)
	}
}

// numbered waits until so many events have positions, and gives them all.
func numbered(t *testing.T, db *pg.DB, n int) []pg.Event {
	t.Helper()
	var events []pg.Event
	eventually(t, fmt.Sprintf("%d events are numbered", n), func() bool {
		for {
			after := mainstem.Position(0)
			if len(events) > 0 {
				after = events[len(events)-1].Position
			}
			more, err := db.Events(t.Context(), after, pg.LimitEvents)
			if err != nil {
				t.Fatal(err)
			}
			if events = append(events, more...); len(more) == 0 {
				return len(events) >= n
			}
		}
	})
	if len(events) != n {
		t.Fatalf("%d events are numbered, want %d", len(events), n)
	}
	return events
}

// TestLongTransactionStallsNobody: it was the first to insert. What commits
// before it goes on without it, and it is not forgotten.
func TestLongTransactionStallsNobody(t *testing.T) {
	db := open(t)
	relaying(t, db, false)
	long := begin(t, db, pgx.RepeatableRead)
	appendEvent(t, db, long, "s", "long")
	for i := range 3 {
		wantCode(t, pgx.BeginFunc(t.Context(), db.Pool, func(tx pgx.Tx) error {
			appendEvent(t, db, tx, "s", strconv.Itoa(i))
			return nil
		}), 0)
		numbered(t, db, i+1)
	}
	appendEvent(t, db, long, "s", "long too")
	commit(t, long)
	got := ""
	for _, e := range numbered(t, db, 5) {
		got += string(e.Data) + ","
	}
	if got != "0,1,2,long,long too," {
		t.Errorf("the order is %s", got)
	}
}

// TestCommitDuringDrain: what commits while a drain is under way, after the drain
// has looked, is numbered by the next.
func TestCommitDuringDrain(t *testing.T) {
	db := open(t)
	drain := func() int64 { return number(t, db, "SELECT numbered FROM $S.drain(1)") }
	run(t, db, `CREATE FUNCTION $S.slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(77); RETURN NULL; END';
		CREATE TRIGGER slow BEFORE INSERT ON $S.numbered FOR EACH STATEMENT EXECUTE FUNCTION $S.slow()`)
	put(t, db, "a1")
	gate := begin(t, db, pgx.ReadCommitted)
	if _, err := gate.Exec(t.Context(), "SELECT pg_advisory_xact_lock(77)"); err != nil {
		t.Fatal(err)
	}
	first := make(chan int64)
	go func() { first <- drain() }()
	eventually(t, "the drain is under way", func() bool {
		return number(t, db, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'") == 1
	})
	put(t, db, "a2")
	commit(t, gate)
	if a, b := <-first, drain(); a != 1 || b != 1 {
		t.Errorf("the drains numbered %d and %d events, want 1 and 1", a, b)
	}
}

// TestRelayOrder: writers that build on what they have read, transactions that
// stay open, that roll back, that begin early: nothing is skipped or repeated,
// positions are dense, and a cause comes before its effect. The judge is each
// event's own list of causes.
func TestRelayOrder(t *testing.T) {
	for name, most := range map[string]int{"in one drain": 0, "in steps": 3} {
		t.Run(name, func(t *testing.T) {
			db := open(t)
			if most > 0 {
				inSteps(t, db, most)
			}
			relayOrder(t, db)
		})
	}
}

func relayOrder(t *testing.T, db *pg.DB) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	relaying(t, db, true)
	run(t, db, "CREATE TABLE "+db.Schema+".written (n bigint PRIMARY KEY)")
	const writers, each = 8, 60
	var wg sync.WaitGroup
	var mu sync.Mutex
	kept := map[string]bool{}
	for w := range writers {
		rng := rand.New(rand.NewPCG(seed, uint64(w)))
		wg.Go(func() {
			for i := range each {
				name := fmt.Sprint(w*each + i)
				back := rng.IntN(5) == 0
				tx, err := db.Pool.Begin(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				if rng.IntN(3) == 0 { // gets its transaction ID before it reads
					effect(t, db, tx, "early")
				}
				pause(t, rng)
				var cause string
				err = tx.QueryRow(t.Context(), "SELECT coalesce(string_agg(n::text, ','), '') FROM "+db.Schema+".written").Scan(&cause)
				if err == nil {
					err = pg.Append(t.Context(), pg.In(db.Schema, tx), "w"+strconv.Itoa(w), mainstem.Event{Type: name, Data: []byte(cause)})
				}
				if err == nil {
					_, err = tx.Exec(t.Context(), "INSERT INTO "+db.Schema+".written VALUES ($1::text::bigint)", name)
				}
				pause(t, rng)
				if back {
					_ = tx.Rollback(t.Context())
				} else if e := tx.Commit(t.Context()); e != nil || err != nil {
					t.Error(err, e)
				} else {
					mu.Lock()
					kept[name] = true
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for i, e := range numbered(t, db, len(kept)) {
		if e.Position != mainstem.Position(i+1) || seen[e.Type] || !kept[e.Type] {
			t.Fatalf("event %s at %d is number %d; seen %t, committed %t", e.Type, e.Position, i+1, seen[e.Type], kept[e.Type])
		}
		for _, cause := range strings.Split(string(e.Data), ",") {
			if cause != "" && !seen[cause] {
				t.Fatalf("event %s at %d comes before %s, which its transaction had read", e.Type, e.Position, cause)
			}
		}
		seen[e.Type] = true
	}
}

// pause lets others run for up to 3 ms of the server's time.
func pause(t *testing.T, rng *rand.Rand) {
	timer := time.NewTimer(time.Duration(rng.IntN(3000)) * time.Microsecond)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
	}
}

// TestRelaySleeps: with nothing to do it sleeps, and a commit wakes it; while a
// transaction is open that has appended and counts on it, it does not.
func TestRelaySleeps(t *testing.T) {
	db := open(t)
	relaying(t, db, true)
	asleep := func() bool {
		return number(t, db, `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND granted
			AND (classid::bigint << 32) + objid::bigint = $S.doze()`) == 1
	}
	soon := func(n int) {
		t.Helper()
		began := time.Now()
		numbered(t, db, n)
		if took := time.Since(began); took > 2*time.Second { // it looks by itself after 5 s
			t.Errorf("event %d was numbered after %s: nobody woke the relay", n, took)
		}
	}
	put(t, db, "a1")
	soon(1)
	eventually(t, "it sleeps", asleep)
	put(t, db, "a2")
	soon(2)
	long := begin(t, db, pgx.ReadCommitted)
	appendEvent(t, db, long, "a", "3") // within the time for which it stays awake
	awake := time.Now()
	eventually(t, "it could have slept", func() bool {
		if asleep() {
			t.Error("it sleeps, and will not hear of the commit")
		}
		return time.Since(awake) > time.Second
	})
	commit(t, long)
	soon(3)
	eventually(t, "it sleeps again", asleep)
	if _, err := db.Pool.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock'"); err != nil {
		t.Fatal(err)
	}
	put(t, db, "a4") // its session is gone, so it polls
	soon(4)
}
