package main

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/mainstemtest"
)

// TestShop: after a second of it, every order that was taken is one that left the
// stock, and once followers have time, both have been told of all.
func TestShop(t *testing.T) {
	db := mainstemtest.Open(t)
	address := mainstemtest.Serve(t, db.Backend())
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errClosing)
	defer cancel()
	orders, err := open(ctx, address, "127.0.0.1:0", 4)
	if err != nil || orders == 0 {
		t.Fatalf("%d orders, %v", orders, err)
	}
	sold := int64(0)
	for n := range items {
		v, err := db.Get(t.Context(), item(n), "stock", mainstem.Latest())
		if err != nil {
			t.Fatal(err)
		}
		sold += inStock - v.Value.Int
	}
	// Four orders more can have been cut off by the closing, and committed.
	if sold < orders || sold > orders+4 {
		t.Errorf("%d left the stock for %d orders", sold, orders)
	}
	for _, f := range followers {
		if done := f.told(t, db.DB); done > sold {
			t.Errorf("%s was told of %d of %d", f.name, done, sold)
		}
	}
	again, cancel := context.WithTimeoutCause(t.Context(), 30*time.Second, errClosing)
	defer cancel()
	s := &shop{db: db.DB}
	for _, f := range followers {
		go func() { s.fail(f.run(again, db.DB, prometheus.NewRegistry())) }()
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for _, f := range followers {
		for all := false; !all; {
			select {
			case <-tick.C:
			case <-again.Done():
				t.Fatalf("%s was not told of all %d in time: %v", f.name, sold, s.failed())
			}
			done := f.told(t, db.DB)
			all = done == sold
		}
	}
}

// told is how many orders a follower has been told of.
func (f *follower) told(t *testing.T, db *mainstem.DB) (done int64) {
	t.Helper()
	seen := map[string]bool{}
	for n := range items {
		group := mainstem.FollowGroup(f.name, item(n))
		if seen[group] {
			continue
		}
		seen[group] = true
		v, err := db.Get(t.Context(), group, "done", mainstem.Latest())
		if err != nil {
			t.Fatal(err)
		}
		done += v.Value.Int
	}
	return done
}
