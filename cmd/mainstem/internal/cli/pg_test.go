package cli_test

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	db "github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/pgserver"
	"github.com/mainstemdb/mainstem/internal/pgtest"
	"github.com/mainstemdb/mainstem/pg"
)

// night is a server, and somebody with the command line.
type night struct {
	*testing.T
	dsn  string
	pool *pgxpool.Pool
}

func newNight(t *testing.T) *night {
	server := pgtest.Start(t, pgserver.Config{})
	pool, err := pgxpool.New(t.Context(), server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return &night{t, server.DSN(), pool}
}

// says runs a command, which must end with the code and print the text.
func (n *night) says(code int, want string, args ...string) {
	n.Helper()
	got := mainstem(n.T, n.TempDir(), "", append(append([]string{"pg"}, args...), "--dsn", n.dsn)...)
	if all := got.out + got.err; got.code != code || !strings.Contains(all, want) {
		n.Fatalf("pg %s: exit code %d, want %d with %q:\n%s", strings.Join(args, " "), got.code, code, want, all)
	}
	if args[len(args)-1] == "--json" {
		wantJSON(n.T, args[0], got.out)
	}
}

func (n *night) sql(statements ...string) {
	n.Helper()
	for _, sql := range statements {
		if _, err := n.pool.Exec(n.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			n.Fatal(err)
		}
	}
}

// TestPG goes through a night with the commands: nothing is installed, it is;
// an event cannot be taken, a handler dies, and somebody looks and repairs.
func TestPG(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	n.says(2, "WRONG  schema:", "check")
	n.says(2, "run the SQL that mainstem pg schema prints", "status")
	n.sql(mainstem(t, t.TempDir(), "", "pg", "schema").out)
	n.says(0, "ok     rights: this role has all", "check")
	n.says(0, `"verdict":"ok"`, "check", "--json")
	n.says(0, "relay          NOBODY", "status")
	parkSomething(t, &pg.DB{Pool: n.pool})
	n.says(0, "consumer mail  at 2, 0 behind, 2 parked", "status")
	n.says(0, `"parked":2`, "status", "--json")
	n.says(0, "order 1  paid", "parked", "mail")
	n.says(0, `"error":"invalid: no such address`, "parked", "mail", "--json")
	n.says(0, "events that are given again: 2", "retry", "mail", "order")
	n.says(3, "nothing parked", "retry", "mail", "nothing")
	n.says(0, "the event at 1 is dropped", "discard", "mail", "order", "1")
	n.says(2, "no event parked at position 1", "discard", "mail", "order", "1")
	n.says(0, "consumer mail is forgotten", "forget", "mail")
	n.says(2, "no consumer", "forget", "mail")
	n.claims()
	n.sql("ALTER SYSTEM SET synchronous_commit = off", "SELECT pg_reload_conf()")
	deadline := time.Now().Add(10 * time.Second)
	for !strings.Contains(mainstem(t, t.TempDir(), "", "pg", "check", "--dsn", n.dsn).out, "WEAK   synchronous_commit: off") {
		if time.Now().After(deadline) {
			t.Fatal("check does not see that synchronous_commit is off")
		}
	}
	n.says(1, "an answered COMMIT can be lost", "check")
}

// claims leaves two requests without an outcome, and resolves them.
func (n *night) claims() {
	h := &pg.HTTP{DB: &pg.DB{Pool: n.pool}, Who: func(*http.Request) string { return "acme" }}
	s := httptest.NewServer(h.ClaimFirst(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })))
	defer s.Close()
	post := func(key string, want int) {
		r, err := http.NewRequestWithContext(n.Context(), http.MethodPost, s.URL, nil)
		if err != nil {
			n.Fatal(err)
		}
		r.Header.Set(pg.KeyHeader, key)
		response, err := s.Client().Do(r)
		if err != nil {
			n.Fatal(err)
		}
		if err := response.Body.Close(); err != nil || response.StatusCode != want {
			n.Fatalf("request %s is answered %d (%v), want %d", key, response.StatusCode, err, want)
		}
	}
	post("k1", http.StatusBadGateway)
	post("k2", http.StatusBadGateway)
	n.says(0, "2 claimed without an outcome", "status")
	n.says(0, "is resolved", "resolve", pg.Key("http", "acme", "k1"), "--status", "201", "--body", `{"id":7}`)
	n.says(4, "is not claimed", "resolve", pg.Key("http", "acme", "k1"), "--nothing")
	n.says(0, "is resolved", "resolve", pg.Key("http", "acme", "k2"), "--nothing")
	n.says(2, "status 100", "resolve", "k", "--status", "100")
	post("k1", http.StatusCreated)
}

// parkSomething has a consumer refuse an event; a second waits behind it.
func parkSomething(t *testing.T, d *pg.DB) {
	t.Helper()
	err := pgx.BeginFunc(t.Context(), d.Pool, func(tx pgx.Tx) error {
		return pg.Append(t.Context(), tx, "order", db.Event{Type: "paid"}, db.Event{Type: "sent"})
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := &pg.Relay{DB: d, TTL: time.Second}
	ended := make(chan error, 2)
	go func() { ended <- r.Run(ctx) }()
	go func() {
		ended <- r.Consume(ctx, pg.Consumer{Name: "mail", Attempts: 1, Deliver: func(context.Context, []pg.Event) error {
			return db.Errorf(db.Invalid, "no such address")
		}})
	}()
	deadline := time.Now().Add(20 * time.Second)
	for parked := 0; parked < 2; {
		found, err := d.Parked(t.Context(), "mail")
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("%d events are parked: %v", len(found), err)
		}
		parked = len(found)
	}
	cancel()
	for range 2 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// TestPGTakeover: somebody looks, tries, does it, and asks again.
func TestPGTakeover(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	n.sql(mainstem(t, t.TempDir(), "", "pg", "schema").out)
	n.says(2, "run the SQL that mainstem cluster schema prints", "takeover", "--to", "mainstem_log")
	n.sql(mainstem(t, t.TempDir(), "", "cluster", "schema").out)
	staged := &pg.DB{Pool: n.pool}
	append := func() error {
		_, err := staged.Run(t.Context(), pg.Request{Key: pg.Key(rand.Text())}, func(ctx context.Context, tx pgx.Tx) ([]byte, error) {
			return nil, pg.Append(ctx, tx, "order", db.Event{Type: "paid"})
		})
		return err
	}
	if err := append(); err != nil {
		t.Fatal(err)
	}
	n.says(0, "mainstem could go to log mainstem_log: 0 events after position 0, 0 consumers", "takeover", "--to", "mainstem_log")
	n.says(0, "1 events after position 0", "takeover", "--to", "mainstem_log", "--dry-run")
	if err := append(); err != nil {
		t.Fatal(err)
	}
	n.says(0, "mainstem went to log mainstem_log: 2 events after position 0", "takeover", "--to", "mainstem_log", "--go")
	n.says(0, `"before":"2`, "takeover", "--to", "mainstem_log", "--json")
	if err := append(); db.CodeOf(err) != db.Stopped {
		t.Fatalf("an append afterwards: %v", err)
	}
}
