package embedded_test

import (
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/mainstemtest"
)

// TestSettingsAreTheDatabasesOwn: a database keeps the ages it was given,
// however it is opened later: by a command that knows none of them, by a
// restore, or with one of them changed (L5).
func TestSettingsAreTheDatabasesOwn(t *testing.T) {
	const week = 7 * 24 * time.Hour
	fs, clock := disk.NewMem(), mainstemtest.NewClock()
	on := []embedded.Option{embedded.SegmentSize(1 << 20), embedded.OnDisk(fs), embedded.OnClock(clock)}
	with := func(more ...embedded.Option) []embedded.Option {
		return append(append([]embedded.Option(nil), on...), more...)
	}

	db := open(t, "db", with(embedded.IDAge(week), embedded.History("", "", week))...)
	pay := func(db *embedded.DB) *mainstem.Receipt {
		t.Helper()
		r, err := db.Group("g").Do(t.Context(), "pay-1", func(tx *mainstem.Txn) error { tx.Add("paid", 1); return nil })
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	first := pay(db)
	set(t, db, "g", "k", "first")
	asOf := set(t, db, "g", "k", "second").Position - 1
	closed(t, db)
	if err := disk.CopyDir(fs, "db", "backup"); err != nil {
		t.Fatal(err)
	}
	if err := embedded.Restore(t.Context(), "backup", "restored", with()...); err != nil {
		t.Fatal(err)
	}
	clock.Advance(26 * time.Hour)
	for what, dir := range map[string]string{"opened without them": "db", "restored without them": "restored"} {
		for range 2 {
			db := open(t, dir, with()...)
			if r := pay(db); !r.Replayed || r.Position != first.Position {
				t.Errorf("%s: within its ID age the ID ran again (L5)", what)
			}
			if v, err := get(t, db, "g", "k", mainstem.AsOf(asOf)); v != "first" || err != nil {
				t.Errorf("%s: within its history, as of %s: %q, %v", what, asOf, v, err)
			}
			closed(t, db)
		}
	}
	// One of them changed leaves the others.
	closed(t, open(t, "db", with(embedded.Retain(time.Hour))...))
	db = open(t, "db", with()...)
	defer closed(t, db)
	if r := pay(db); !r.Replayed {
		t.Error("another retention made the ID run again (L5)")
	}
}
