package mainstemtest_test

import (
	"context"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/mainstemtest"
)

// TestFaultyDisk: a disk that fails ends the database with a typed error, and
// healed it opens again with everything that was acknowledged.
func TestFaultyDisk(t *testing.T) {
	for name, fault := range map[string]func(*mainstemtest.Disk){
		"fail": (*mainstemtest.Disk).Fail, "fail next sync": (*mainstemtest.Disk).FailNextSync, "fill": (*mainstemtest.Disk).Fill,
	} {
		t.Run(name, func(t *testing.T) {
			db, disk := mainstemtest.OpenFaulty(t)
			set(t, db.Group("g"), "k", "acknowledged")
			fault(disk)
			var err error
			for i := 0; err == nil && i < 10000; i++ { // a full disk has a reserve
				_, err = db.Group("g").Do(t.Context(), name+time.Duration(i).String(), func(tx *mainstem.Txn) error {
					tx.Put("other", make([]byte, 1000))
					return nil
				})
			}
			if mainstem.CodeOf(err) == 0 {
				t.Fatalf("a broken disk brought %v", err)
			}
			disk.Heal()
			_ = db.Close() // it says again what broke it
			again, err := disk.Reopen(t.Context(), t)
			if err != nil {
				t.Fatal(err)
			}
			if v, err := again.Get(t.Context(), "g", "k", mainstem.Latest()); err != nil || string(v.Value.Bytes) != "acknowledged" {
				t.Errorf("(L4) what was acknowledged is %s, %v", v.Value, err)
			}
		})
	}
}

// TestHangingDisk: nothing is acknowledged while a sync hangs (L4).
func TestHangingDisk(t *testing.T) {
	db, disk := mainstemtest.OpenFaulty(t)
	set(t, db.Group("g"), "k", "before")
	disk.Hang()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	put := func(tx *mainstem.Txn) error {
		tx.Put("k", []byte("after"))
		return nil
	}
	if _, err := db.Group("g").Do(ctx, "id", put); mainstem.CodeOf(err) != mainstem.Undecided {
		t.Errorf("(L4) while the disk hung Do said %v, want undecided", err)
	}
	disk.Heal()
	if _, err := db.Group("g").Do(t.Context(), "id", put); err != nil {
		t.Fatal(err)
	}
	if n := committed(t, db.Backend(), "id"); n != 1 {
		t.Errorf("(L5) the ID stands %d times in the feed", n)
	}
}
