package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/engine/postgres"
	"github.com/mainstemdb/mainstem/internal/pgserver"
	"github.com/mainstemdb/mainstem/internal/pgtest"
	"github.com/mainstemdb/mainstem/internal/proxy"
	"github.com/mainstemdb/mainstem/journal"
)

// fill appends n records after head.
func fill(t *testing.T, l journal.Log, head journal.Head, n int) journal.Head {
	t.Helper()
	for range n {
		next, err := l.Append(t.Context(), head, fmt.Appendf(nil, "record %d", head.Index+1))
		if err != nil {
			t.Fatalf("append after %d: %v", head.Index, err)
		}
		head = next
	}
	return head
}

// read reads everything from a slot on.
func read(t *testing.T, l journal.Log, from uint64) (records []string, err error) {
	t.Helper()
	for e, err := range l.Read(t.Context(), from) {
		if err != nil {
			return records, err
		}
		records = append(records, string(e.Record))
	}
	return records, nil
}

func proxied(t *testing.T, on *pgserver.Server) *proxy.Proxy {
	t.Helper()
	p, err := proxy.To(on.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// through is how to connect through a proxy.
func through(t *testing.T, p *proxy.Proxy) string {
	t.Helper()
	dsn, err := pgserver.DSN(p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	return dsn
}

// TestConnectionBreaksDuringAppend: before the request arrived, or before the answer
// did. Either is unknown, and the same append again tells; there is one record (L11).
func TestConnectionBreaksDuringAppend(t *testing.T) {
	on := running(t)
	for name, loss := range map[string]proxy.Loss{"request": proxy.LoseIt, "answer": proxy.LoseAnswer} {
		t.Run(name, func(t *testing.T) {
			c, p := install(t, on, 1), proxied(t, on)
			c.URL = through(t, p)
			l := open(t, c).Logs[0]
			head := fill(t, l, journal.Head{}, 2)
			p.LoseOnce("marked record", loss)
			_, err := l.Append(t.Context(), head, []byte("marked record"))
			if !errors.Is(err, journal.ErrUnknown) {
				t.Fatalf("append while the connection breaks: %v, want unknown (L11)", err)
			}
			next, err := l.Append(t.Context(), head, []byte("marked record"))
			if err != nil || next.Index != 3 {
				t.Fatalf("the same append again: %+v, %v (L11)", next, err)
			}
			if got, err := read(t, l, 1); err != nil || strings.Join(got, ",") != "record 1,record 2,marked record" {
				t.Errorf("the log has %q, %v", got, err)
			}
		})
	}
}

// TestServerAway: nothing was sent, so an append is definitely not there; the log goes
// on when the server is back.
func TestServerAway(t *testing.T) {
	own := pgtest.Start(t, pgserver.Config{})
	l := open(t, install(t, own, 1)).Logs[0]
	head := fill(t, l, journal.Head{}, 3)
	if err := own.Kill(); err != nil {
		t.Fatal(err)
	}
	// The pool may not know yet that its connections are broken.
	for i := 0; ; i++ {
		_, err := l.Append(t.Context(), head, []byte("away"))
		if errors.Is(err, journal.ErrFailed) {
			break
		}
		if !errors.Is(err, journal.ErrUnknown) || i > 20 {
			t.Fatalf("append while the server is away: %v", err)
		}
	}
	if err := l.Confirm(t.Context(), head); err == nil || errors.Is(err, journal.ErrLost) {
		t.Errorf("confirm while the server is away: %v (L8)", err)
	}
	waited := make(chan error, 1)
	go func() { waited <- l.Wait(t.Context(), 4) }()
	if err := own.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	fill(t, l, head, 1)
	if err := <-waited; err != nil {
		t.Errorf("waiting across a restart: %v", err)
	}
	if got, err := read(t, l, 1); err != nil || len(got) != 4 {
		t.Errorf("after the restart the log has %q, %v", got, err)
	}
}

// TestBehindOurBack: a record that is gone, changed or doubled is found, with its slot
// (L12).
func TestBehindOurBack(t *testing.T) {
	on := running(t)
	for name, c := range map[string]struct{ harm, want string }{
		"gone":    {`DELETE FROM $S.record WHERE slot = 3`, "slot 3 of partition 0 is gone"},
		"the end": {`DELETE FROM $S.record WHERE slot = 5`, "slot 5 of partition 0 is gone"},
		"changed": {`UPDATE $S.record SET record = 'x' WHERE slot = 3`, "slot 3 of partition 0 has hash"},
		"doubled": {`INSERT INTO $S.record SELECT 5, part, slot, hash, record FROM $S.record WHERE slot = 3`, "slot 4 of partition 0 is gone, slot 3 is there"},
	} {
		t.Run(name, func(t *testing.T) {
			config := install(t, on, 1)
			l := open(t, config).Logs[0]
			fill(t, l, journal.Head{}, 5)
			run(t, on, strings.ReplaceAll(c.harm, "$S", config.Schema))
			if _, err := read(t, l, 1); !errors.Is(err, journal.ErrCorrupt) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("read: %v; want corrupt and %q (L12)", err, c.want)
			}
		})
	}
}

// TestTrimEmptiesTables: what is trimmed is given back to the disk, a table at a time,
// and never what is still kept.
func TestTrimEmptiesTables(t *testing.T) {
	on := running(t)
	c := install(t, on, 2)
	d := open(t, c)
	heads := []journal.Head{{}, {}}
	rows := func() (n int) {
		conn, err := pgx.Connect(t.Context(), on.DSN())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM "+c.Schema+".record").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for range 30 {
		for part, l := range d.Logs {
			heads[part] = fill(t, l, heads[part], 20)
			if err := l.Trim(t.Context(), heads[part].Slot-10); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := rows(); n > 2*20*4 {
		t.Errorf("%d records are stored, of which 22 are kept", n)
	}
	for part, l := range d.Logs {
		got, err := read(t, l, heads[part].Slot-10)
		if err != nil || len(got) != 11 {
			t.Errorf("partition %d has %d of the 11 records that are kept: %v", part, len(got), err)
		}
		if _, err := read(t, l, heads[part].Slot-11); !errors.Is(err, journal.ErrTrimmed) {
			t.Errorf("partition %d, a trimmed slot: %v", part, err)
		}
	}
	// One partition that trims nothing keeps the tables of all.
	before := rows()
	for range 20 {
		heads[0] = fill(t, d.Logs[0], heads[0], 20)
		if err := d.Logs[0].Trim(t.Context(), heads[0].Slot); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := read(t, d.Logs[1], heads[1].Slot-10); err != nil || len(got) != 11 {
		t.Errorf("the other partition has %d of its 11 records, %v; %d rows before", len(got), err, before)
	}
}

// TestOpenRefuses: what cannot work is said at once, with what to do.
func TestOpenRefuses(t *testing.T) {
	on := running(t)
	c := install(t, on, 3)
	run(t, on, `DROP ROLE IF EXISTS stranger; CREATE ROLE stranger LOGIN`)
	weak := pgtest.Start(t, pgserver.Config{Settings: []string{"fsync=off"}})
	onWeak := install(t, weak, 1)
	for name, config := range map[string]struct {
		postgres.Config
		want mainstem.Code
		says string
	}{
		"no schema":    {postgres.Config{URL: on.DSN(), Schema: "none"}, mainstem.Invalid, "mainstem cluster schema"},
		"bad schema":   {postgres.Config{URL: on.DSN(), Schema: "No;"}, mainstem.Invalid, "small letters"},
		"bad URL":      {postgres.Config{URL: "postgres://u:secret@h:x/"}, mainstem.Invalid, "does not parse"},
		"nobody there": {postgres.Config{URL: "postgres://127.0.0.1:1/x"}, mainstem.Unavailable, "refused"},
		"no rights":    {postgres.Config{URL: strings.Replace(on.DSN(), "user=postgres", "user=stranger", 1), Schema: c.Schema}, mainstem.Denied, "--grant"},
		"weak":         {onWeak, mainstem.Weak, "fsync is off"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		_, err := postgres.Open(ctx, config.Config)
		cancel()
		if mainstem.CodeOf(err) != config.want || !strings.Contains(err.Error(), config.says) {
			t.Errorf("%s: %v; want %v, and %q", name, err, config.want, config.says)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error shows a password: %v", name, err)
		}
	}
	onWeak.AcceptWeak = true
	if d := open(t, onWeak); len(d.Guarantees.Weak) != 1 || d.Guarantees.Synced {
		t.Errorf("what was accepted as weak says %+v", d.Guarantees)
	}
	if d := open(t, c); len(d.Logs) != 3 || d.Guarantees.Machines != 1 || !d.Guarantees.Synced || d.ID == [16]byte{} {
		t.Errorf("a log of three partitions: %d, %+v", len(d.Logs), d)
	}
}

// TestGrants: a role with what Schema grants can do all that a node does, and nothing
// else.
func TestGrants(t *testing.T) {
	on := running(t)
	run(t, on, `DROP ROLE IF EXISTS node_role; CREATE ROLE node_role LOGIN`)
	c := postgres.Config{Schema: fmt.Sprintf("log_%d", schemas.Add(1)), URL: strings.Replace(on.DSN(), "user=postgres", "user=node_role", 1)}
	sql, err := postgres.Schema(c.Schema, 1, "node_role")
	if err != nil {
		t.Fatal(err)
	}
	run(t, on, sql)
	run(t, on, sql) // as often as one likes
	d := open(t, c)
	l := d.Logs[0]
	head := fill(t, l, journal.Head{}, 40)
	if err := l.Confirm(t.Context(), head); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := d.Blobs.Put(t.Context(), "a", nil); err != nil {
			t.Error(err)
		}
	}
	if _, err := d.Blobs.Get(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	if err := d.Blobs.Delete(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	for i := range 5 {
		if err := l.Trim(t.Context(), head.Slot-20+uint64(i)); err != nil {
			t.Error(err)
		}
		head = fill(t, l, head, 5)
	}
	conn, err := pgx.Connect(t.Context(), c.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, forbidden := range []string{"DELETE FROM $S.record", "UPDATE $S.record SET slot = 1", "CREATE TABLE $S.x ()", "UPDATE $S.database SET id = gen_random_uuid()"} {
		if _, err := conn.Exec(t.Context(), strings.ReplaceAll(forbidden, "$S", c.Schema)); err == nil || !strings.Contains(err.Error(), "42501") {
			t.Errorf("%s: %v, want no right to do so", forbidden, err)
		}
	}
	other, err := postgres.Schema(c.Schema, 2, "")
	if err != nil {
		t.Fatal(err)
	}
	owner, err := pgx.Connect(t.Context(), on.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close(context.Background())
	if _, err := owner.Exec(t.Context(), other, pgx.QueryExecModeSimpleProtocol); err == nil || !strings.Contains(err.Error(), "fixed") {
		t.Errorf("another number of partitions: %v", err)
	}
}

// TestPooler: behind a transaction pooler everything works, with polling.
func TestPooler(t *testing.T) {
	on := running(t)
	p, err := pgserver.NewPooler(t.Context(), on, 4)
	if errors.Is(err, pgserver.ErrNoPooler) {
		t.Skip("not run: " + err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	c := install(t, on, 1)
	c.URL = p.DSN()
	one, other := open(t, c).Logs[0], open(t, c).Logs[0]
	waited := make(chan error, 1)
	go func() { waited <- other.Wait(t.Context(), 50) }()
	head := fill(t, one, journal.Head{}, 50)
	if err := <-waited; err != nil {
		t.Error(err)
	}
	if got, err := read(t, other, 1); err != nil || len(got) != 50 {
		t.Errorf("%d records, %v", len(got), err)
	}
	if err := other.Confirm(t.Context(), head); err != nil {
		t.Error(err)
	}
}
