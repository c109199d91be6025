package sim

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/disk"
	"github.com/mainstemdb/mainstem/mainstemtest"
	"github.com/mainstemdb/mainstem/node"
)

// clocked is a database on a clock of the test's.
type clocked struct {
	*product
	t *testing.T
	n int
}

func onClock(t *testing.T, opts ...embedded.Option) *clocked {
	t.Helper()
	return &clocked{t: t, product: startWith(t, opts...)}
}

func (c *clocked) restart() {
	c.t.Helper()
	if err := c.Restart(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
}

// commit sends one transaction with these operations.
func (c *clocked) commit(id mainstem.ID, ops ...mainstem.Operation) (*mainstem.Receipt, error) {
	return c.DB().Backend().Commit(c.t.Context(), &mainstem.Transaction{Group: "g", ID: id, Attempt: 1, Operations: ops})
}

// must is commit under a new ID, and must succeed.
func (c *clocked) must(ops ...mainstem.Operation) *mainstem.Receipt {
	c.t.Helper()
	c.n++
	r, err := c.commit(mainstem.ID{Opaque: fmt.Sprint("must-", c.n)}, ops...)
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

func emit() mainstem.Operation {
	return mainstem.Emit{Topic: "t", Event: mainstem.Event{Type: "t"}}
}

func opaque(id string) mainstem.ID { return mainstem.ID{Opaque: id} }

// TestIDsAtTheEdgeOfTheirAge: from one side an ID is known, from the other a
// plain one runs again and one that carries Born is refused (L5).
func TestIDsAtTheEdgeOfTheirAge(t *testing.T) {
	const age = time.Hour
	for _, restart := range []bool{false, true} {
		c := onClock(t, embedded.IDAge(age))
		first := c.must(emit())
		born := mainstem.ID{Opaque: "born", Born: first.Age + 1}
		for _, id := range []mainstem.ID{opaque("plain"), born} {
			if r, err := c.commit(id, emit()); err != nil || r.Replayed {
				t.Fatalf("%v: %v, %v", id, r, err)
			}
		}
		at := c.must(emit()).Age
		for _, step := range []time.Duration{time.Minute, age/2 - time.Minute, age/2 - time.Millisecond} {
			c.Step(step)
			if restart {
				c.restart()
			}
			now := c.must(emit()).Age
			for _, id := range []mainstem.ID{opaque("plain"), born} {
				if r, err := c.commit(id, emit()); err != nil || !r.Replayed {
					t.Errorf("(L5) at %s of %s, ID %s is answered %+v, %v", now.Sub(at), age, id, r, err)
				}
			}
		}
		for range 5 { // far beyond the edge, with records in between
			c.Step(age)
			c.must(emit())
		}
		if _, err := c.commit(born, emit()); mainstem.CodeOf(err) != mainstem.TooOld {
			t.Errorf("(L5) an ID born %s ago, kept for %s, is answered %v, want too_old", 6*age, age, err)
		}
		if _, err := c.commit(mainstem.ID{Opaque: "never sent", Born: first.Age + 1}, emit()); mainstem.CodeOf(err) != mainstem.TooOld {
			t.Errorf("(L5) an old ID that never committed is answered %v, want too_old", err)
		}
		if r, err := c.commit(opaque("plain"), emit()); err != nil || r.Replayed {
			t.Errorf("a plain ID of %s ago is answered %+v, %v: it should run again", 6*age, r, err)
		}
	}
}

// TestWallClockDoesNotMatter: jumps of the wall clock, while the database runs
// and between runs, lose no ID, free no lease and freeze nothing (L6).
func TestWallClockDoesNotMatter(t *testing.T) {
	year := 365 * 24 * time.Hour
	for _, jump := range []time.Duration{time.Second, time.Hour, 10 * year, -time.Second, -time.Hour, -10 * year} {
		for _, between := range []string{"while it runs", "between two runs", "with a reboot"} {
			t.Run(fmt.Sprint(jump, " ", between), func(t *testing.T) { jumpClock(t, jump, between) })
		}
	}
}

func jumpClock(t *testing.T, jump time.Duration, between string) {
	const ttl, idAge = 30 * time.Hour, 24 * time.Hour
	c := onClock(t, embedded.IDAge(idAge))
	token := c.must(mainstem.Acquire{Lease: "l", Owner: "ann", TTL: ttl}).Results[0].Token
	c.must(mainstem.Put{Name: "k", Value: mainstem.Int(1), TTL: ttl})
	before, err := c.commit(opaque("id"), emit())
	if err != nil {
		t.Fatal(err)
	}
	c.Step(time.Minute)
	switch between {
	case "with a reboot":
		c.clock.Reboot(jump)
		c.restart()
	case "between two runs":
		c.clock.Jump(jump)
		c.restart()
	default:
		c.clock.Jump(jump)
	}
	if r, err := c.commit(opaque("id"), emit()); err != nil || !r.Replayed {
		t.Errorf("(L6) after a jump of %s %s the ID is answered %+v, %v", jump, between, r, err)
	}
	if _, err := c.commit(opaque("steal"), mainstem.Acquire{Lease: "l", Owner: "bob", TTL: ttl}); mainstem.CodeOf(err) != mainstem.Held {
		t.Errorf("(L6, L7) after a jump of %s %s the lease is answered %v, want held", jump, between, err)
	}
	if v, err := c.DB().Get(t.Context(), "g", "k", mainstem.Latest()); err != nil || !v.Exists {
		t.Errorf("(L6) the key is gone: %+v, %v", v, err)
	}
	next := c.must(emit())
	if next.Age < before.Age || next.Age.Sub(before.Age) > idAge/4+time.Hour {
		t.Errorf("(L6) log age went from %s to %s", before.Age, next.Age)
	}
	if next.Wall.Before(before.Wall) {
		t.Errorf("(L6) recorded wall time ran backwards, from %s to %s", before.Wall, next.Wall)
	}
	// Nothing is frozen: what is due does expire, once.
	c.Step(2 * ttl)
	c.must(emit()) // a batch that was being gathered before the step has the time of its beginning
	got := c.must(mainstem.Acquire{Lease: "l", Owner: "bob", TTL: ttl}).Results[0].Token
	if got <= token {
		t.Errorf("(L7) token %d after %d", got, token)
	}
	if _, err := c.commit(opaque("twice"), mainstem.Acquire{Lease: "l", Owner: "eve", TTL: ttl}); mainstem.CodeOf(err) != mainstem.Held {
		t.Errorf("(L7) the lease was freed twice: %v", err)
	}
	if _, err := c.commit(opaque("late"), mainstem.Renew{Lease: "l", Token: token, TTL: ttl}); mainstem.CodeOf(err) != mainstem.Fenced {
		t.Errorf("(L7) the old token is answered %v, want fenced", err)
	}
}

// TestReboots: many reboots with a clock far ahead add, in all, no more than a
// quarter of the ID age per ID age, so no ID is forgotten early (L6).
func TestReboots(t *testing.T) {
	c := onClock(t, embedded.IDAge(24*time.Hour))
	first, err := c.commit(opaque("id"), emit())
	if err != nil {
		t.Fatal(err)
	}
	for range 12 {
		c.clock.Reboot(365 * 24 * time.Hour)
		c.restart()
		c.must(emit())
	}
	if now := c.must(emit()).Age; now.Sub(first.Age) > 6*time.Hour+time.Minute {
		t.Errorf("(L6) twelve reboots added %s, more than a quarter of 24 h", now.Sub(first.Age))
	}
	if r, err := c.commit(opaque("id"), emit()); err != nil || !r.Replayed {
		t.Errorf("(L6) the ID is answered %+v, %v", r, err)
	}
}

// TestTrimmedIsNeverHolds: a range or an absence older than the history kept
// is trimmed, whether or not something happened to it; a key that is there
// answers at any age.
func TestTrimmedIsNeverHolds(t *testing.T) {
	c := onClock(t)
	since := c.must(mainstem.Put{Name: "there", Value: mainstem.Int(1)}).Position
	c.must(mainstem.Put{Name: "r1", Value: mainstem.Int(1)})
	c.must(mainstem.Delete{Name: "r1"})
	for range 20 {
		c.Step(time.Hour)
		c.must(emit())
	}
	answered := func(condition mainstem.Condition, may ...mainstem.Code) mainstem.Code {
		t.Helper()
		c.n++
		_, err := c.DB().Backend().Commit(t.Context(), &mainstem.Transaction{
			Group: "g", ID: opaque(fmt.Sprint("probe-", c.n)), Attempt: 1, Conditions: []mainstem.Condition{condition}, Operations: []mainstem.Operation{emit()},
		})
		if !slices.Contains(may, mainstem.CodeOf(err)) {
			t.Errorf("%+v, older than the history by hours, is answered %v, want one of %v", condition, err, may)
		}
		return mainstem.CodeOf(err)
	}
	// As long as the deletion is kept it is a conflict; once the history is
	// over nobody knows, and that is trimmed. It must come to that, and stay so.
	// Each checkpoint moves the horizon and collects one range of the key space,
	// unless the one before is still being collected.
	trimmed, collected := false, false
	for patience := time.Now().Add(20 * time.Second); !collected && time.Now().Before(patience); {
		c.Step(time.Minute)
		c.must(emit())
		if err := c.db.Backend().(*node.Node).Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
		either, only := []mainstem.Code{0, mainstem.Trimmed}, []mainstem.Code{mainstem.Trimmed}
		if trimmed {
			either = only
		}
		trimmed = answered(mainstem.RangeUnchanged{From: "u", To: "v", Since: since}, either...) == mainstem.Trimmed
		if trimmed {
			answered(mainstem.KeyUnchanged{Name: "never", Since: since}, only...)
			answered(mainstem.RangeUnchanged{From: "r", To: "s", Since: since}, mainstem.Trimmed, mainstem.Conflict)
		}
		collected = answered(mainstem.KeyUnchanged{Name: "r1", Since: since}, mainstem.Conflict, mainstem.Trimmed) == mainstem.Trimmed
		answered(mainstem.KeyUnchanged{Name: "there", Since: since}, 0)
	}
	if !trimmed || !collected {
		t.Errorf("after 20 hours, with ten minutes of history kept: trimmed %t, deletion collected %t", trimmed, collected)
	}
	c.restart()
	answered(mainstem.RangeUnchanged{From: "r", To: "s", Since: since}, mainstem.Trimmed)
	answered(mainstem.KeyUnchanged{Name: "r1", Since: since}, mainstem.Trimmed)
}

// startWith is a product in memory that restarts, with options.
func startWith(t *testing.T, opts ...embedded.Option) *product {
	t.Helper()
	p := &product{clock: mainstemtest.NewClock(), restarts: true}
	opts = append([]embedded.Option{quiet(), small(1), rolling(), embedded.OnClock(p.clock), embedded.OnDisk(disk.NewMem())}, opts...)
	p.open = func(ctx context.Context) (*embedded.DB, error) { return embedded.Open(ctx, "db", opts...) }
	p.begin(t)
	return p
}
