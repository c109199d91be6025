package pg_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/pg"
)

// TestSessionReadsItsOwnWrites is the promise, on every way that a session goes on.
func TestSessionReadsItsOwnWrites(t *testing.T) {
	p := newPair(t)
	p.sees(t, p.session(t, ""), "a", 0, true)

	p.replays(t, false)
	s := p.session(t, "")
	p.write(t, s, "a")
	p.sees(t, p.session(t, ""), "a", 0, true) // the stale read that a session is against
	p.sees(t, s, "a", 1, false)
	p.sees(t, p.session(t, s.Token()), "a", 1, false)

	request := pg.Request{Key: "b"}
	once := func(ctx context.Context, tx pgx.Tx) ([]byte, error) {
		_, err := tx.Exec(ctx, "INSERT INTO "+p.readers.DB.Schema+".effect VALUES ('b')")
		return []byte("done"), err
	}
	if _, err := p.readers.DB.Run(t.Context(), request, once); err != nil {
		t.Fatal(err)
	}
	again := p.session(t, "")
	if reply, err := again.Run(t.Context(), request, once); err != nil || !reply.Replayed {
		t.Fatal(reply, err)
	}
	p.sees(t, again, "b", 1, false) // somebody else's write, which it was told of

	p.replays(t, true)
	p.caughtUp(t)
	p.sees(t, s, "a", 1, true)
	p.sees(t, again, "b", 1, true)
}

// TestSessionWaitsForAReplica waits within the bound, and not beyond it.
func TestSessionWaitsForAReplica(t *testing.T) {
	p := newPair(t)
	p.replays(t, false)
	s := p.session(t, "")
	p.write(t, s, "a")

	p.readers.Wait = pg.MaxWait
	type outcome struct {
		n       int
		replica bool
		err     error
	}
	got := make(chan outcome, 1)
	go func() {
		n, replica, err := p.read(s, t.Context(), "a")
		got <- outcome{n, replica, err}
	}()
	select {
	case o := <-got:
		t.Errorf("the read did not wait: %v", o)
	case <-time.After(50 * time.Millisecond): //tidy:sleep it waits for longer than this
	}
	p.replays(t, true)
	if o := <-got; o != (outcome{1, true, nil}) {
		t.Errorf("after the wait: %v", o)
	}

	p.replays(t, false)
	p.write(t, s, "b")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, _, err := p.read(s, ctx, "b")
	wantCode(t, err, mainstem.Cancelled)
	p.readers.Wait = pg.MaxWait + 1
	_, _, err = p.read(s, t.Context(), "b")
	wantCode(t, err, mainstem.Invalid)
	p.readers.Wait = 10 * time.Millisecond
	p.sees(t, s, "b", 1, false)
}

// TestSessionWithoutAToken is the weaker way: by time, in one process.
func TestSessionWithoutAToken(t *testing.T) {
	p := newPair(t)
	if _, err := p.readers.Recent("anna"); mainstem.CodeOf(err) != mainstem.Invalid {
		t.Errorf("without PrimaryFor: %v", err)
	}
	p.readers.PrimaryFor = time.Hour
	if _, err := p.readers.Recent(""); mainstem.CodeOf(err) != mainstem.Invalid {
		t.Errorf("without a name: %v", err)
	}
	recent := func(who string) *pg.Session {
		s, err := p.readers.Recent(who)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	p.replays(t, false)
	p.write(t, recent("anna"), "a")
	p.sees(t, recent("anna"), "a", 1, false)
	p.sees(t, recent("bert"), "a", 0, true)
	p.readers.PrimaryFor = time.Nanosecond
	p.sees(t, recent("anna"), "a", 0, true) // and that is the weakness
	p.replays(t, true)
}

// TestSessionAcrossAFailover: what the new primary has is read there, and then on
// its replicas; what it has lost is said to be lost.
func TestSessionAcrossAFailover(t *testing.T) {
	p := newPair(t)
	kept := p.session(t, "")
	p.write(t, kept, "kept")
	p.caughtUp(t)
	p.cutOff(t)
	lost := p.session(t, "")
	p.write(t, lost, "lost")
	if err := p.primary.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := p.standby.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	promoted := &pg.DB{Pool: poolOf(t, p.standby.DSN()), Schema: p.readers.DB.Schema}
	p.readers = &pg.Readers{DB: promoted}
	// Old tokens go on at the new primary. Far more is written there than was lost:
	// a place alone would not tell.
	run(t, promoted, "INSERT INTO $S.effect SELECT 'other' FROM generate_series(1, 10000)")
	keptToken, lostToken := kept.Token(), lost.Token()
	kept = p.session(t, keptToken)
	p.sees(t, kept, "kept", 1, false)
	if kept.Token() == keptToken {
		t.Error("a session that went on has the token of the former timeline")
	}
	_, _, err := p.read(p.session(t, lostToken), t.Context(), "lost")
	wantCode(t, err, mainstem.HistoryLost)
	// Nor does a later write make it forget what is lost.
	lost = p.session(t, lostToken)
	p.write(t, lost, "later")
	_, _, err = p.read(p.session(t, lost.Token()), t.Context(), "lost")
	wantCode(t, err, mainstem.HistoryLost)
	goesOn := p.session(t, keptToken)
	p.write(t, goesOn, "later")
	p.sees(t, p.session(t, goesOn.Token()), "kept", 1, false)
	p.sees(t, p.session(t, goesOn.Token()), "later", 2, false)

	// The former primary is no source for the session that has gone on.
	if err := p.primary.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.readers = &pg.Readers{DB: &pg.DB{Pool: poolOf(t, p.primary.DSN()), Schema: promoted.Schema}}
	_, _, err = p.read(p.session(t, kept.Token()), t.Context(), "kept")
	wantCode(t, err, mainstem.HistoryLost)

	// After a restart nobody knows any more where the timeline began, unless
	// somebody had noted it.
	if err := p.standby.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := p.standby.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	promoted = &pg.DB{Pool: poolOf(t, p.standby.DSN()), Schema: promoted.Schema}
	p.readers = &pg.Readers{DB: promoted}
	p.sees(t, p.session(t, keptToken), "kept", 1, false)
	run(t, promoted, "DELETE FROM $S.timeline")
	_, _, err = p.read(p.session(t, keptToken), t.Context(), "kept")
	wantCode(t, err, mainstem.HistoryLost)
}

// TestReplicaOfAnotherTimeline passes over a replica that follows a promoted
// server whose place is beyond the token's, and which lacks what it has seen.
func TestReplicaOfAnotherTimeline(t *testing.T) {
	p := newPair(t)
	if err := p.standby.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	other, err := p.standby.Standby(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	s := p.session(t, "")
	p.write(t, s, "a")
	promoted := &pg.DB{Pool: poolOf(t, p.standby.DSN()), Schema: p.readers.DB.Schema}
	run(t, promoted, "INSERT INTO $S.effect SELECT 'other' FROM generate_series(1, 10000)")
	pool := poolOf(t, other.DSN())
	eventually(t, "the other replica has replayed that", func() bool {
		var n int
		err := pool.QueryRow(t.Context(), "SELECT count(*) FROM "+promoted.Schema+".effect WHERE name = 'other'").Scan(&n)
		return err == nil && n == 10000
	})
	p.readers.Replicas = []*pgxpool.Pool{pool}
	p.sees(t, s, "a", 1, false)
}

// TestReplicaWithoutRights is passed over by sessions that have a token: its role
// does not let anybody see what it follows.
func TestReplicaWithoutRights(t *testing.T) {
	p := newPair(t)
	run(t, p.readers.DB, `CREATE ROLE reader LOGIN; GRANT USAGE ON SCHEMA $S TO reader; GRANT SELECT ON $S.effect TO reader`)
	s := p.session(t, "")
	p.write(t, s, "a")
	p.caughtUp(t)
	p.readers.Replicas = []*pgxpool.Pool{poolOf(t, strings.Replace(p.standby.DSN(), "user=postgres", "user=reader", 1))}
	p.sees(t, s, "a", 1, false)
	p.sees(t, p.session(t, ""), "a", 1, true)
	run(t, p.readers.DB, "GRANT pg_read_all_stats TO reader")
	p.caughtUp(t)
	p.readers = &pg.Readers{DB: p.readers.DB, Replicas: p.readers.Replicas}
	p.sees(t, p.session(t, s.Token()), "a", 1, true)
}

// TestLag tells how far replicas are, and which cannot be asked.
func TestLag(t *testing.T) {
	p := newPair(t)
	gone := poolOf(t, "host=127.0.0.1 port=1 user=postgres")
	p.readers.Replicas = append(p.readers.Replicas, gone)
	lag := func() []pg.ReplicaLag {
		l, err := p.readers.Lag(t.Context())
		if err != nil || len(l) != 2 || l[1].Err == nil {
			t.Fatal(l, err)
		}
		return l
	}
	if l := lag()[0]; !l.Streaming || l.Err != nil {
		t.Errorf("%+v", l)
	}
	p.write(t, p.session(t, ""), "a")
	p.caughtUp(t)
	p.replays(t, false)
	p.write(t, p.session(t, ""), "b")
	if l := lag()[0]; !l.Streaming || l.Bytes == 0 || l.Behind <= 0 {
		t.Errorf("behind: %+v", l)
	}
	p.replays(t, true)
	p.cutOff(t)
	if l := lag()[0]; l.Streaming {
		t.Errorf("cut off: %+v", l)
	}
}

// TestReplicaThatFails hands its reads to the primary, also under a read.
func TestReplicaThatFails(t *testing.T) {
	p := newPair(t)
	s := p.session(t, "")
	p.write(t, s, "a")
	p.caughtUp(t)
	times := 0
	err := s.Read(t.Context(), func(ctx context.Context, tx pgx.Tx) error {
		if times++; times == 1 {
			if err := p.standby.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		var n int
		return tx.QueryRow(ctx, "SELECT count(*) FROM "+p.readers.DB.Schema+".effect").Scan(&n)
	})
	if err != nil || times != 2 {
		t.Errorf("the read ran %d times: %v", times, err)
	}
	p.sees(t, s, "a", 1, false)
	own := errors.New("the function's own")
	if err := s.Read(t.Context(), func(context.Context, pgx.Tx) error { return own }); !errors.Is(err, own) {
		t.Errorf("%v", err)
	}
	err = s.Read(t.Context(), func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "DELETE FROM "+p.readers.DB.Schema+".effect")
		return err
	})
	if err == nil {
		t.Error("a read has written")
	}
}

// TestSessionInHTTP carries the token from a pod to the next, in a header.
func TestSessionInHTTP(t *testing.T) {
	p := newPair(t)
	p.replays(t, false)
	middleware := &pg.HTTP{DB: p.readers.DB, Who: func(*http.Request) string { return "anna" }}
	mux := http.NewServeMux()
	mux.Handle("POST /", middleware.InTransaction(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		effect(t, p.readers.DB, pg.TxOf(r.Context()), "a")
		w.WriteHeader(http.StatusCreated)
	})))
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		n, replica, err := p.read(pg.SessionOf(r.Context()), r.Context(), "a")
		if err != nil {
			t.Error(err)
		}
		if n == 0 || replica {
			w.WriteHeader(http.StatusNotFound)
		}
	})
	h := p.readers.Handler(mux)
	call := func(method, token string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), method, "/", nil)
		r.Header.Set(pg.KeyHeader, "k1")
		if token != "" {
			r.Header.Set(pg.SessionHeader, token)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	for range 2 { // the second is replayed, and carries a token too
		made := call("POST", "")
		token := made.Header().Get(pg.SessionHeader)
		if made.Code != http.StatusCreated || token == "" {
			t.Fatalf("status %d, token %q", made.Code, token)
		}
		if got := call("GET", token); got.Code != http.StatusOK || got.Header().Get(pg.SessionHeader) != token {
			t.Errorf("with the token: status %d, token %q", got.Code, got.Header().Get(pg.SessionHeader))
		}
	}
	if got := call("GET", ""); got.Code != http.StatusNotFound {
		t.Errorf("without the token: status %d", got.Code)
	}
	if got := call("GET", "x"); got.Code != http.StatusBadRequest {
		t.Errorf("with another token: status %d", got.Code)
	}
	p.replays(t, true)
}
