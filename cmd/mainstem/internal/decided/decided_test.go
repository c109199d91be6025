// Package decided compiles and runs the programs that mainstem advise writes for the
// worked workloads, and for descriptions that fire whatever there is to show. The files
// below are written by go test ./program -update in advise; do not change them here.
package decided

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mainstemdb/mainstem/cmd/mainstem/internal/decided/booking"
	"github.com/mainstemdb/mainstem/cmd/mainstem/internal/decided/chat"
	"github.com/mainstemdb/mainstem/cmd/mainstem/internal/decided/everything"
	"github.com/mainstemdb/mainstem/cmd/mainstem/internal/decided/everythingpg"
	"github.com/mainstemdb/mainstem/cmd/mainstem/internal/decided/feed"
	"github.com/mainstemdb/mainstem/cmd/mainstem/internal/decided/inventory"
	"github.com/mainstemdb/mainstem/cmd/mainstem/internal/decided/jobs"
	"github.com/mainstemdb/mainstem/cmd/mainstem/internal/decided/ledger"
	"github.com/mainstemdb/mainstem/cmd/mainstem/internal/decided/metrics"
	"github.com/mainstemdb/mainstem/cmd/mainstem/internal/decided/payments"
	"github.com/mainstemdb/mainstem/cmd/mainstem/internal/decided/profiles"
	"github.com/mainstemdb/mainstem/cmd/mainstem/internal/decided/search"
	"github.com/mainstemdb/mainstem/cmd/mainstem/internal/decided/sourced"
	"github.com/mainstemdb/mainstem/cmd/mainstem/internal/decided/sourcedpg"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/pgserver"
	"github.com/mainstemdb/mainstem/internal/pgtest"
	"github.com/mainstemdb/mainstem/pg"
)

var update = flag.Bool("update", false, "write what the programs say anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// inside are the programs that need nothing beside them.
var inside = map[string]struct {
	open func(context.Context, string) (*embedded.DB, error)
	show func(context.Context, *mainstem.DB, io.Writer) error
}{
	"chat": {chat.Open, chat.Show}, "everything": {everything.Open, everything.Show}, "feed": {feed.Open, feed.Show},
	"jobs": {jobs.Open, jobs.Show}, "metrics": {metrics.Open, metrics.Show}, "profiles": {profiles.Open, profiles.Show},
	"sourced": {sourced.Open, sourced.Show},
}

// onPG are those that need a PostgreSQL.
var onPG = map[string]struct {
	open func(context.Context, string) (*pg.DB, error)
	show func(context.Context, *pg.DB, io.Writer) error
}{
	"booking": {booking.Open, booking.Show}, "everythingpg": {everythingpg.Open, everythingpg.Show}, "inventory": {inventory.Open, inventory.Show},
	"ledger": {ledger.Open, ledger.Show}, "payments": {payments.Open, payments.Show}, "search": {search.Open, search.Show},
	"sourcedpg": {sourcedpg.Open, sourcedpg.Show},
}

// TestProgramsAreAllHere: a program that is written is one that is run.
func TestProgramsAreAllHere(t *testing.T) {
	found, err := filepath.Glob("*/show.go")
	if err != nil || len(found) != len(inside)+len(onPG) {
		t.Errorf("%d programs are here, %d are run: %v", len(found), len(inside)+len(onPG), err)
	}
	for _, file := range found {
		name := filepath.Dir(file)
		if inside[name].show == nil && onPG[name].show == nil {
			t.Errorf("%s is not run", name)
		}
	}
}

// TestShow runs every program: a promise that it can break is an error of the program's own.
func TestShow(t *testing.T) {
	for name, program := range inside {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			db, err := program.open(ctx, "")
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if err := errors.Join(program.show(ctx, db.DB, &out), db.Close()); err != nil {
				t.Errorf("%v, after\n%s", err, out.Bytes())
			}
			golden(t, name, out.Bytes())
		})
	}
}

// TestShowOnPG does the same in databases of one server.
func TestShowOnPG(t *testing.T) {
	server := pgtest.Start(t, pgserver.Config{Settings: []string{"fsync=off", "max_connections=100"}})
	for name, program := range onPG {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			db, err := program.open(ctx, database(t, server, name))
			if err != nil {
				t.Fatal(err)
			}
			defer db.Pool.Close()
			var out bytes.Buffer
			if err := program.show(ctx, db, &out); err != nil {
				t.Errorf("%v, after\n%s", err, out.Bytes())
			}
			golden(t, name, out.Bytes())
		})
	}
}

func golden(t *testing.T, name string, said []byte) {
	t.Helper()
	file := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(file, said, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(said, want) {
		t.Errorf("it says\n%s\nand not what is in %s:\n%s", said, file, want)
	}
}
