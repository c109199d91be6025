package mainstem_test

import (
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/mainstemtest"
)

// TestBornFromTheBeginning: also in the first moment of a database an ID has a
// birth, and is refused once it is too old (L5).
func TestBornFromTheBeginning(t *testing.T) {
	clock := mainstemtest.NewClock()
	db := open(t, embedded.OnClock(clock))
	g, ctx := db.Group("g"), within(t)
	born, err := g.Now(ctx)
	if err != nil || born == 0 {
		t.Fatalf("the log age at the beginning is %s, %v; 0 would mean that none is carried", born, err)
	}
	add := func(tx *mainstem.Txn) error { tx.Add("n", 1); return nil }
	do(t, g, "used", add, mainstem.Born(born))
	clock.Advance(embedded.DefaultIDAge)
	if r := do(t, g, "used", add, mainstem.Born(born)); !r.Replayed {
		t.Error("at exactly its age the ID ran again")
	}
	clock.Advance(time.Nanosecond)
	for _, id := range []string{"used", "new"} {
		if _, err := g.Do(ctx, id, add, mainstem.Born(born)); mainstem.CodeOf(err) != mainstem.TooOld {
			t.Errorf("ID %s just beyond its age: %v, want too_old", id, err)
		}
	}
}

// TestVoidOfARefusal: a refused ID has done nothing and never will, which is
// all that a void asks for. Its retries go on to get the refusal.
func TestVoidOfARefusal(t *testing.T) {
	g, ctx := open(t).Group("trip"), within(t)
	book := func() (*mainstem.Receipt, error) {
		return g.Do(ctx, "book", func(tx *mainstem.Txn) error { return tx.Refuse([]byte("full")) })
	}
	if r, err := book(); err != nil || !r.Refused {
		t.Fatalf("%+v, %v", r, err)
	}
	do(t, g, "cancel", func(tx *mainstem.Txn) error { tx.Operate(mainstem.Void{ID: "book"}); return nil })
	if r, err := book(); err != nil || !r.Refused || string(r.Reply) != "full" {
		t.Errorf("the retry of what was refused, and then voided: %+v, %v", r, err)
	}
	do(t, g, "done", func(tx *mainstem.Txn) error { return nil })
	if _, err := g.Do(ctx, "undo", func(tx *mainstem.Txn) error { tx.Operate(mainstem.Void{ID: "done"}); return nil }); mainstem.CodeOf(err) != mainstem.Exists {
		t.Errorf("voiding what has committed: %v, want exists", err)
	}
}

// TestWrongUse: mistakes of a caller are named as such, before anything runs.
func TestWrongUse(t *testing.T) {
	db, ctx := open(t), within(t)
	nothing := func(*mainstem.Txn) error { return nil }
	for what, err := range map[string]error{
		"a group without a name": func() error { _, err := db.Group("").Do(ctx, "i", nothing); return err }(),
		"no function":            func() error { _, err := db.Group("g").Do(ctx, "i", nil); return err }(),
		"a closed view": func() error {
			v, err := db.Group("g").View(ctx, mainstem.Latest())
			must(t, err)
			must(t, v.Close())
			_, err = v.Get(ctx, "k")
			return err
		}(),
	} {
		if mainstem.CodeOf(err) != mainstem.Invalid {
			t.Errorf("%s: %v, want invalid", what, err)
		}
	}
}
