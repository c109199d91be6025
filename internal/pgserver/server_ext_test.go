package pgserver_test

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem/internal/pgserver"
)

// TestPair: a primary and its standby are there within seconds, and the standby takes
// over what it has.
func TestPair(t *testing.T) {
	began := time.Now()
	primary, err := pgserver.Start(t.Context(), pgserver.Config{Settings: []string{"fsync=off"}})
	if errors.Is(err, pgserver.ErrMissing) {
		t.Skip("not run: " + err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = primary.Close() })
	standby, err := primary.Standby(t.Context(), "replica")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = standby.Close() })
	took := time.Since(began)
	t.Logf("both are there after %s", took.Round(10*time.Millisecond))
	if took > time.Minute { // ten seconds, on a machine with nothing else to do
		t.Errorf("that took %s", took)
	}
	ask := func(s *pgserver.Server, sql string) string {
		t.Helper()
		conn, err := pgx.Connect(t.Context(), s.DSN())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		var answer string
		if err := conn.QueryRow(t.Context(), sql).Scan(&answer); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		return answer
	}
	const role = "SELECT pg_is_in_recovery()::text"
	if p, s := ask(primary, role), ask(standby, role); p != "false" || s != "true" {
		t.Errorf("in recovery: primary %s, standby %s", p, s)
	}
	if err := primary.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := standby.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := ask(standby, role); got != "false" {
		t.Errorf("once promoted, in recovery: %s", got)
	}
	if err := primary.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	const system = "SELECT system_identifier::text FROM pg_control_system()"
	if p, s := ask(primary, system), ask(standby, system); p != s {
		t.Errorf("they were one system, and are %s and %s", p, s)
	}
}
