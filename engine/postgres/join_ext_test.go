package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/engine/postgres"
	"github.com/mainstemdb/mainstem/mainstemtest"
	"github.com/mainstemdb/mainstem/node"
)

// TestJoining: the log in the server was trimmed; a node with nothing begins from the
// snapshot that lies beside it there, and has everything.
func TestJoining(t *testing.T) {
	s := running(t)
	c := install(t, s, 2)
	clock := mainstemtest.NewClock()
	start := func(name string) *embedded.DB {
		logs, err := postgres.Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		db, err := embedded.Open(t.Context(), t.TempDir(), embedded.Memory(32<<20), embedded.Retain(0), embedded.OnClock(clock),
			embedded.Cluster(logs, name, node.Shared{Patience: time.Second}))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		return db
	}
	a := start("a")
	write := func(round int) {
		for i := range 20 {
			_, err := a.Group(fmt.Sprint("g", i)).Do(t.Context(), fmt.Sprint("id-", round), func(tx *mainstem.Txn) error {
				tx.Add("n", 1)
				tx.Append("s", mainstem.Event{Type: "e", Data: fmt.Append(nil, round)})
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		clock.Advance(time.Minute)
	}
	for round := range 3 {
		write(round)
		if err := a.Snapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	write(3)
	if err := a.Trim(t.Context()); err != nil {
		t.Fatal(err)
	}
	var oldest int64
	if err := connect(t, s).QueryRow(t.Context(), "SELECT min(oldest) FROM "+c.Schema+".log").Scan(&oldest); err != nil || oldest <= 1 {
		t.Fatalf("the log begins with slot %d, %v: it was not trimmed", oldest, err)
	}
	b := start("b")
	for i := range 20 {
		group := fmt.Sprint("g", i)
		if v, err := b.Get(t.Context(), group, "n", mainstem.Latest()); err != nil || v.Value.Int != 4 {
			t.Errorf("%s/n is %+v, %v on the node that joined; want 4", group, v.Value, err)
		}
		r, err := b.Group(group).Do(t.Context(), "id-0", func(tx *mainstem.Txn) error { tx.Add("n", 1); return nil })
		if err != nil || !r.Replayed {
			t.Errorf("an ID from before the snapshot ran again (L5): %+v, %v", r, err)
		}
	}
}
