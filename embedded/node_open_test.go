package embedded_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/mainstemtest"
)

const memory = 16 << 20

// open opens a database that must open; the caller closes it.
func open(t *testing.T, dir string, opts ...embedded.Option) *embedded.DB {
	t.Helper()
	db, err := embedded.Open(t.Context(), dir, append([]embedded.Option{embedded.Memory(memory), embedded.SegmentSize(1 << 20)}, opts...)...)
	if err != nil {
		t.Fatalf("open %s: %v", dir, err)
	}
	return db
}

// refused opens a database that must not open, and returns the message.
func refused(t *testing.T, what, dir string, code mainstem.Code, opts ...embedded.Option) string {
	t.Helper()
	db, err := embedded.Open(t.Context(), dir, append([]embedded.Option{embedded.Memory(memory), embedded.SegmentSize(1 << 20)}, opts...)...)
	if err == nil {
		_ = db.Close()
		t.Errorf("%s: opened, want %s", what, code)
		return ""
	}
	if mainstem.CodeOf(err) != code {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
	return err.Error()
}

func closed(t *testing.T, db *embedded.DB) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func set(t *testing.T, db *embedded.DB, group, key, value string) *mainstem.Receipt {
	t.Helper()
	r, err := db.Group(group).Do(t.Context(), "", func(tx *mainstem.Txn) error { tx.Put(key, []byte(value)); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func get(t *testing.T, db *embedded.DB, group, key string, at mainstem.Consistency) (string, error) {
	t.Helper()
	v, err := db.Get(context.Background(), group, key, at)
	return v.Value.String(), err
}

// TestOneProcessAtATime: a second handle is refused, in words that help, and
// neither disturbs the first nor takes its lock away.
func TestOneProcessAtATime(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	for range 2 {
		message := refused(t, "a second handle", dir, mainstem.Unavailable)
		if !strings.Contains(message, "in another process") || !strings.Contains(message, "read-only") {
			t.Errorf("the message does not say what to do: %s", message)
		}
	}
	set(t, db, "g", "k", "v")
	closed(t, db)
	db = open(t, dir)
	if v, err := get(t, db, "g", "k", mainstem.Latest()); v != "v" || err != nil {
		t.Errorf("k is %q, %v", v, err)
	}
	closed(t, db)
}

// TestDirectoriesThatAreNotOurs: each is refused with its own reason, and not
// a byte is changed.
func TestDirectoriesThatAreNotOurs(t *testing.T) {
	whole := t.TempDir()
	closed(t, open(t, whole, embedded.Partitions(2)))
	text, err := os.ReadFile(whole + "/mainstem.json")
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	with := func(key string, value any) string {
		other := map[string]any{}
		for k, v := range m {
			other[k] = v
		}
		other[key] = value
		b, err := json.Marshal(other)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for what, c := range map[string]struct {
		manifest string
		code     mainstem.Code
		says     string
	}{
		"a newer format":      {with("format", 99), mainstem.Invalid, "newer Mainstem"},
		"no format":           {with("format", 0), mainstem.Corrupt, "is damaged"},
		"garbage":             {"\x00\xff{", mainstem.Corrupt, "does not parse"},
		"empty":               {"", mainstem.Corrupt, "does not parse"},
		"a JSON list":         {"[]", mainstem.Corrupt, "does not parse"},
		"another database":    {with("database", strings.Repeat("ab", 16)), mainstem.Corrupt, "is damaged"},
		"a database of no ID": {with("database", "zz"), mainstem.Corrupt, "is damaged"},
		"no partitions":       {with("partitions", 0), mainstem.Corrupt, "is damaged"},
		"too many":            {with("partitions", 1<<20), mainstem.Corrupt, "is damaged"},
		"one fewer":           {with("partitions", 1), mainstem.Corrupt, "is damaged"},
	} {
		if err := os.WriteFile(whole+"/mainstem.json", []byte(c.manifest), 0o600); err != nil {
			t.Fatal(err)
		}
		if message := refused(t, what, whole, c.code); !strings.Contains(message, c.says) {
			t.Errorf("%s: the message does not say %q: %s", what, c.says, message)
		}
	}
	if err := os.WriteFile(whole+"/mainstem.json", text, 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, "another number of partitions", whole, mainstem.Invalid, embedded.Partitions(3))
	closed(t, open(t, whole, embedded.Partitions(2)))

	stranger := t.TempDir()
	if err := os.WriteFile(stranger+"/thesis.txt", []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, "a directory of something else", stranger, mainstem.Invalid)
	refused(t, "a read-only database that is not there", t.TempDir(), mainstem.Invalid, embedded.ReadOnly())
	for what, o := range map[string]embedded.Option{
		"no partitions": embedded.Partitions(0), "more partitions than slots": embedded.Partitions(4097),
		"too little memory": embedded.Memory(1), "a negative ID age": embedded.IDAge(-1), "a negative retention": embedded.Retain(-1),
		"a long prefix": embedded.History(strings.Repeat("x", 600), "", time.Hour),
	} {
		db, err := embedded.Open(t.Context(), t.TempDir(), o)
		if err == nil {
			closed(t, db)
			t.Errorf("%s was accepted", what)
		}
	}
}

// TestAFailedOpeningLeavesNoLock: what was refused can be opened afterwards.
func TestAFailedOpeningLeavesNoLock(t *testing.T) {
	faults := disk.NewFaults(disk.NewMem())
	closed(t, open(t, "db", embedded.OnDisk(faults), embedded.Partitions(2)))
	for _, c := range []struct {
		err  error
		code mainstem.Code
	}{{os.ErrPermission, mainstem.Denied}, {disk.ErrFull, mainstem.Unavailable}, {disk.ErrIO, mainstem.Unavailable}} {
		faults.Inject(disk.Fault{Kind: disk.OpWrite | disk.OpCreate | disk.OpSync, Err: c.err, Stays: true})
		refused(t, fmt.Sprint("a disk that says ", c.err), "db", c.code, embedded.OnDisk(faults))
		faults.Heal()
		closed(t, open(t, "db", embedded.OnDisk(faults)))
	}
}

// TestReadOnlyChangesNothing: reads and feeds work, writing is Denied, and no
// file is written, made or synced.
func TestReadOnlyChangesNothing(t *testing.T) {
	faults := disk.NewFaults(disk.NewMem())
	db := open(t, "db", embedded.OnDisk(faults))
	set(t, db, "g", "k", "v")
	closed(t, db)
	faults.Inject(disk.Fault{Kind: disk.OpWrite | disk.OpCreate | disk.OpSync | disk.OpRename | disk.OpRemove, Err: os.ErrPermission, Stays: true})
	db = open(t, "db", embedded.OnDisk(faults), embedded.ReadOnly())
	if v, err := get(t, db, "g", "k", mainstem.Latest()); v != "v" || err != nil {
		t.Errorf("k is %q, %v", v, err)
	}
	_, err := db.Group("g").Do(t.Context(), "id", func(tx *mainstem.Txn) error { tx.Put("k", nil); return nil })
	if mainstem.CodeOf(err) != mainstem.Denied {
		t.Errorf("a write: %v, want denied", err)
	}
	for what, err := range map[string]error{"snapshot": db.Snapshot(t.Context()), "trim": db.Trim(t.Context())} {
		if mainstem.CodeOf(err) != mainstem.Denied {
			t.Errorf("%s: %v, want denied", what, err)
		}
	}
	changes := 0
	for batch, err := range db.Changes(t.Context(), mainstem.From{Drain: true}) {
		if err != nil {
			t.Fatal(err)
		}
		changes += len(batch.Changes)
	}
	if changes != 1 {
		t.Errorf("the feed has %d changes, want 1", changes)
	}
	closed(t, db)
	if n := faults.Injected(); n != 0 {
		t.Errorf("a read-only database tried %d times to change a file", n)
	}
}

// TestRestoring: tokens of what the backup has are good, those of what it
// lacks are history lost; nothing that was idempotent runs again; the clock of
// the past still works; the backup is as it was.
func TestRestoring(t *testing.T) {
	fs, clock := disk.NewMem(), mainstemtest.NewClock()
	opts := []embedded.Option{embedded.OnDisk(fs), embedded.OnClock(clock), embedded.Partitions(2)}
	db := open(t, "db", opts...)
	kept := set(t, db, "g", "k", "kept")
	clock.Advance(time.Second)
	between := clock.Wall()
	clock.Advance(time.Second)
	newest := set(t, db, "g", "k", "newest kept")
	closed(t, db)
	if err := disk.CopyDir(fs, "db", "backup"); err != nil {
		t.Fatal(err)
	}
	db = open(t, "db", opts...)
	lost := set(t, db, "g", "k", "lost")
	closed(t, db)

	restore := append([]embedded.Option{embedded.Memory(memory), embedded.SegmentSize(1 << 20)}, opts...)
	if err := embedded.Restore(t.Context(), "backup", "db", restore...); mainstem.CodeOf(err) != mainstem.Invalid {
		t.Errorf("restoring over a database: %v, want invalid", err)
	}
	if err := embedded.Restore(t.Context(), "backup", "restored", restore...); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"restored", "backup"} {
		closed(t, open(t, dir, opts...))
	}
	db = open(t, "restored", opts...)
	defer closed(t, db)
	for what, token := range map[string]mainstem.Token{"the first": kept.Token, "the newest": newest.Token} {
		if _, err := get(t, db, "g", "k", mainstem.AtLeast(token)); err != nil {
			t.Errorf("%s token that the backup covers: %v (L1)", what, err)
		}
	}
	if _, err := get(t, db, "g", "k", mainstem.AtLeast(lost.Token)); mainstem.CodeOf(err) != mainstem.HistoryLost {
		t.Errorf("a token of what the backup lacks: %v, want history_lost (L1)", err)
	}
	for _, err := range db.Changes(t.Context(), mainstem.From{After: lost.Token, Drain: true}) {
		if mainstem.CodeOf(err) != mainstem.HistoryLost {
			t.Errorf("a feed from what the backup lacks: %v, want history_lost (L1)", err)
		}
	}
	again := set(t, db, "g", "k", "after")
	if again.Position <= lost.Position+1<<40-2 || again.Incarnation == lost.Incarnation {
		t.Errorf("position %s of incarnation %016x after the restore, %s of %016x before (L1)", again.Position, uint64(again.Incarnation), lost.Position, uint64(lost.Incarnation))
	}
	if v, err := get(t, db, "g", "k", mainstem.AsOfTime(between)); v != "kept" || err != nil {
		t.Errorf("as of a time before the restore: %q, %v", v, err)
	}
	var seen []string
	for batch, err := range db.Changes(t.Context(), mainstem.From{After: kept.Token, Match: mainstem.Match{Groups: []string{"g"}}, Drain: true}) {
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range batch.Changes {
			seen = append(seen, c.Effects[0].Value.String())
		}
	}
	if fmt.Sprint(seen) != "[newest kept after]" {
		t.Errorf("a feed over the restore shows %q", seen)
	}
}
