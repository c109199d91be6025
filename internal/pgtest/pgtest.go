// Package pgtest gives tests PostgreSQL servers: one that a package's tests share,
// and others that a test may harm. Where none is installed, a test is not run, and
// says so.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/mainstemdb/mainstem/internal/pgserver"
)

// Shared is a server for all tests of a package that do it no harm.
type Shared struct {
	server *pgserver.Server
	err    error
}

// Main starts the server, runs the package's tests, and stops it: for TestMain.
func (s *Shared) Main(m *testing.M, settings ...string) (code int) {
	s.server, s.err = pgserver.Start(context.Background(), pgserver.Config{Settings: settings})
	if s.err == nil {
		defer func() {
			if err := s.server.Close(); err != nil {
				fmt.Fprintln(os.Stderr, "closing PostgreSQL:", err)
			}
		}()
	}
	return m.Run()
}

// On is the server.
func (s *Shared) On(t testing.TB) *pgserver.Server {
	t.Helper()
	return given(t, s.server, s.err)
}

// Start is a server of the test's own, until it ends.
func Start(t testing.TB, c pgserver.Config) *pgserver.Server {
	t.Helper()
	s, err := pgserver.Start(t.Context(), c)
	s = given(t, s, err)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func given(t testing.TB, s *pgserver.Server, err error) *pgserver.Server {
	t.Helper()
	if errors.Is(err, pgserver.ErrMissing) {
		t.Skip("not run: " + err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}
