package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/engine/postgres"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/internal/pgserver"
	"github.com/mainstemdb/mainstem/internal/sim"
	"github.com/mainstemdb/mainstem/journal"
	"github.com/mainstemdb/mainstem/node"
)

// either is how to connect to whichever of two servers takes writes.
func either(t *testing.T, a, b *pgserver.Server) string {
	t.Helper()
	var hosts, ports []string
	for _, s := range []*pgserver.Server{a, b} {
		host, port, err := net.SplitHostPort(s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		hosts, ports = append(hosts, host), append(ports, port)
	}
	dsn, err := pgserver.DSN(a.Addr())
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s host=%s port=%s", dsn, strings.Join(hosts, ","), strings.Join(ports, ","))
}

// synchronous has the primary's commits wait for its standby.
func synchronous(t *testing.T, primary *pgserver.Server, c postgres.Config) {
	t.Helper()
	run(t, primary, `ALTER SYSTEM SET synchronous_standby_names = 'FIRST 1 (twin)'`)
	run(t, primary, `SELECT pg_reload_conf()`)
	for machines := 0; machines != 2; { // the reload takes a moment
		d, err := postgres.Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		machines = d.Guarantees.Machines
		closeAll(t, d)
	}
}

// TestNodesFailOver: the server dies for good, and its synchronous standby goes on.
// Nothing that a node has acknowledged is lost, and the nodes find their way.
func TestNodesFailOver(t *testing.T) {
	primary, standby := pair(t)
	c := install(t, primary, 1)
	synchronous(t, primary, c)
	c.URL = either(t, primary, standby)
	const seed = 1
	nodes := sim.NewCluster(t, seed)
	for range 3 {
		logs, err := postgres.Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		nodes.Start(logs)
	}
	nodes.Judge(seed, func(stop <-chan struct{}) int {
		select {
		case <-stop:
			t.Error("the clients were done before the failover")
			return 0
		case <-time.After(200 * time.Millisecond):
		}
		if err := errors.Join(primary.Kill(), standby.Promote(context.Background())); err != nil {
			t.Error(err)
		}
		<-stop
		return 1
	})
}

// TestDeposedPrimary: a primary whose standby was promoted meanwhile, and that does not
// know it, acknowledges nothing and proves no tail: both need a commit that its
// standby confirms (L4, L8).
func TestDeposedPrimary(t *testing.T) {
	primary, standby := pair(t)
	c := install(t, primary, 1)
	synchronous(t, primary, c)
	old := open(t, c).Logs[0]
	head := fill(t, old, journal.Head{}, 3)
	if err := primary.Pause(); err != nil {
		t.Fatal(err)
	}
	if err := standby.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	promoted := c
	promoted.URL = standby.DSN()
	now := open(t, promoted).Logs[0]
	if got, err := read(t, now, 1); err != nil || len(got) != 3 {
		t.Fatalf("the promoted server has %q, %v (L4)", got, err)
	}
	fill(t, now, head, 2)
	if err := primary.Resume(); err != nil {
		t.Fatal(err)
	}
	brief := func() context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		t.Cleanup(cancel)
		return ctx
	}
	if err := old.Confirm(brief(), head); err == nil {
		t.Error("a deposed primary has proved a tail that has a successor (L8)")
	}
	if _, err := old.Append(brief(), head, []byte("at the deposed one")); !errors.Is(err, journal.ErrUnknown) {
		t.Errorf("an append at a deposed primary: %v, want unknown (L11)", err)
	}
	if got, err := read(t, now, 1); err != nil || len(got) != 5 {
		t.Errorf("the promoted server has %q, %v", got, err)
	}
}

// TestOlderBackup: a server that was restored from a base backup lacks what was
// acknowledged since. A node that has it stops, and says so, as it runs and when it
// is opened; it does not serve the shorter log, and adds nothing to it (L1, L12).
func TestOlderBackup(t *testing.T) {
	primary, backup := pair(t)
	c := install(t, primary, 1)
	c.URL = either(t, primary, backup)
	fs := disk.NewMem()
	start := func(name string, fs disk.FS) (*embedded.DB, error) {
		logs, err := postgres.Open(t.Context(), c)
		if err != nil {
			return nil, err
		}
		return embedded.Open(t.Context(), name, embedded.OnDisk(fs), embedded.Memory(16<<20),
			embedded.Cluster(logs, name, node.Shared{Patience: time.Second}))
	}
	put := func(db *embedded.DB, name string) error {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		_, err := db.Group("g").Do(ctx, "", func(tx *mainstem.Txn) error { tx.Put(name, []byte("1")); return nil })
		return err
	}
	db, err := start("node-0", fs)
	if err != nil {
		t.Fatal(err)
	}
	if err := put(db, "before"); err != nil {
		t.Fatal(err)
	}
	caughtUp(t, primary)
	if err := backup.Kill(); err != nil { // what it has now is the backup
		t.Fatal(err)
	}
	if err := put(db, "since"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(primary.Kill(), backup.Up(t.Context()), backup.Promote(t.Context())); err != nil {
		t.Fatal(err)
	}
	tail := func() (slot int64) {
		if err := connect(t, backup).QueryRow(t.Context(), "SELECT tail FROM "+c.Schema+".log").Scan(&slot); err != nil {
			t.Fatal(err)
		}
		return slot
	}
	was := tail()
	for range 3 {
		err = put(db, "after")
	}
	if mainstem.CodeOf(err) != mainstem.Corrupt || !strings.Contains(err.Error(), "record") {
		t.Errorf("a write on a log that lost records: %v; want corrupt, and which (L12)", err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	if reopened, err := start("node-0", fs); err == nil {
		if err := put(reopened, "after"); mainstem.CodeOf(err) != mainstem.Corrupt {
			t.Errorf("a write of a node that was opened on a log that lost records: %v; want corrupt (L12)", err)
		}
		if err := reopened.Close(); err != nil {
			t.Error(err)
		}
	}
	if now := tail(); now != was {
		t.Errorf("the log was at %d, and is at %d: somebody went on with less than was acknowledged", was, now)
	}
}

// caughtUp waits until the standby has all that the primary has.
func caughtUp(t *testing.T, primary *pgserver.Server) {
	t.Helper()
	conn := connect(t, primary)
	for behind := true; behind; {
		if err := conn.QueryRow(t.Context(), `SELECT NOT EXISTS (SELECT FROM pg_stat_replication WHERE flush_lsn >= pg_current_wal_lsn())`).Scan(&behind); err != nil {
			t.Fatal(err)
		}
	}
}
