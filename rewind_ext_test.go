package mainstem_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/internal/sim"
	"github.com/mainstemdb/mainstem/mainstemtest"
)

// contents is what the keys of a group are, in order, as one text.
func contents(t *testing.T, r mainstem.Reader, prefix string) string {
	t.Helper()
	var b strings.Builder
	from, to := mainstem.Prefix(prefix)
	for v, err := range r.Scan(t.Context(), from, to) {
		must(t, err)
		fmt.Fprintf(&b, "%s=%.20s(%d,%v) ", v.Name, v.Value, len(v.Value.Bytes), v.Value.Counter)
	}
	return b.String()
}

func rewind(t *testing.T, g mainstem.Group, id, prefix string, to mainstem.Position) mainstem.Rewound {
	t.Helper()
	done, err := g.Rewind(within(t), id, prefix, to)
	must(t, err)
	return done
}

// Keys go back, and only they: what is not a key, or outside the prefix, stays.
func TestRewind(t *testing.T) {
	g := open(t).Group("g")
	past := do(t, g, "before", func(tx *mainstem.Txn) error {
		tx.Put("a/gone", []byte("1"))
		tx.Put("a/kept", []byte("1"))
		tx.Put("a/text", []byte("old"))
		tx.Set("a/stock", 5)
		tx.Put("b", []byte("old"))
		tx.Append("a/events", mainstem.Event{Type: "t"})
		return nil
	})
	then := contents(t, view(t, g), "a/")
	grant, err := g.Acquire(t.Context(), "a/lease", "me", time.Minute)
	must(t, err)
	last := do(t, g, "after", func(tx *mainstem.Txn) error {
		tx.Delete("a/gone")
		tx.Put("a/text", []byte("new"))
		tx.Put("a/born", []byte("new"))
		tx.Add("a/stock", -3)
		tx.Put("b", []byte("new"))
		tx.Append("a/events", mainstem.Event{Type: "t"})
		return nil
	})
	later := contents(t, view(t, g), "")
	if done := rewind(t, g, "undo", "a/", past.Position); done.Steps != 1 || done.Keys != 4 || done.Overtaken != 0 || done.Token.IsZero() {
		t.Errorf("%+v, must be 4 keys in 1 step", done)
	}
	v := view(t, g)
	if got := contents(t, v, "a/"); got != then {
		t.Errorf("after the rewind %q, must be %q", got, then)
	}
	if b, err := v.Get(t.Context(), "b"); err != nil || b.Value.String() != "new" {
		t.Errorf("outside the prefix %v, %v", b, err)
	}
	if n, err := v.Length(t.Context(), "a/events"); err != nil || n != 2 {
		t.Errorf("the stream has %d events, %v", n, err)
	}
	if l, err := v.Lease(t.Context(), "a/lease"); err != nil || l.Token != grant.Token || l.Released {
		t.Errorf("the lease is %+v, %v", l, err)
	}
	if r, err := v.Receipt(t.Context(), "after"); err != nil || r == nil || r.Position != last.Position {
		t.Errorf("the ID is %+v, %v", r, err)
	}
	rewind(t, g, "undo the undo", "", last.Position)
	if got := contents(t, view(t, g), ""); got != later {
		t.Errorf("after rewinding the rewind %q, must be %q", got, later)
	}
}

func TestRewindRefuses(t *testing.T) {
	g := open(t).Group("g")
	r := do(t, g, "1", func(tx *mainstem.Txn) error { tx.Put("a", nil); return nil })
	_, err := g.Rewind(t.Context(), "", "", r.Position)
	code(t, err, mainstem.Invalid)
	_, err = g.Rewind(t.Context(), "x", "", r.Position+1_000)
	code(t, err, mainstem.HistoryLost)
	rewind(t, g, "y", "", r.Position)
	_, err = g.Rewind(t.Context(), "y", "other", r.Position)
	code(t, err, mainstem.IDReused)
}

// cutOff lets a number of commits through, and then loses the reply of one and
// refuses all that follow, as a process does that dies.
type cutOff struct {
	mainstem.Backend
	left int
}

func (c *cutOff) Commit(ctx context.Context, t *mainstem.Transaction) (*mainstem.Receipt, error) {
	if c.left--; c.left < 0 {
		return nil, mainstem.Errorf(mainstem.Stopped, "cut off")
	}
	r, err := c.Backend.Commit(ctx, t)
	if c.left == 0 && err == nil {
		return nil, mainstem.Errorf(mainstem.Undecided, "cut off")
	}
	return r, err
}

// Interrupted after any step, also without knowing whether the last one
// committed, and called again, a rewind ends in the same state, in small steps.
func TestRewindResumes(t *testing.T) {
	db := open(t)
	g := db.Group("g")
	fill := func(id, value string, n int) *mainstem.Receipt {
		var r *mainstem.Receipt
		for from := 0; from < n; from += 500 {
			r = do(t, g, fmt.Sprint(id, from), func(tx *mainstem.Txn) error {
				for i := from; i < min(from+500, n); i++ {
					tx.Put(fmt.Sprintf("k%04d", i), []byte(value))
				}
				return nil
			})
		}
		return r
	}
	past := fill("old", "old", 1500)
	large := do(t, g, "large", func(tx *mainstem.Txn) error {
		for _, name := range []string{"x1", "x2"} {
			tx.Put(name, make([]byte, 200<<10))
		}
		return nil
	})
	then := contents(t, view(t, g), "")
	if past.Position >= large.Position {
		t.Fatal("positions do not grow")
	}
	for cut := range 6 {
		fill(fmt.Sprint("new", cut), fmt.Sprint("new", cut), 1600)
		do(t, g, "", func(tx *mainstem.Txn) error { tx.Delete("x1"); tx.Put("x2", nil); return nil })
		id := fmt.Sprint("rewind", cut)
		broken := mainstem.New(&cutOff{Backend: db.Backend(), left: cut})
		if _, err := broken.Group("g").Rewind(within(t), id, "", large.Position); err == nil {
			t.Fatalf("cut off after %d commits, the rewind ends", cut)
		}
		done := rewind(t, g, id, "", large.Position)
		if done.Keys != 1602 || done.Steps < 5 {
			t.Errorf("cut %d: %+v, must be 1602 keys in at least 5 steps", cut, done)
		}
		if got := contents(t, view(t, g), ""); got != then {
			t.Errorf("cut %d: another state than before", cut)
		}
		before := view(t, g).Stamp().Position
		if again := rewind(t, g, id, "", large.Position); again != done {
			t.Errorf("cut %d: once more %+v, was %+v", cut, again, done)
		}
		if after := view(t, g).Stamp().Position; after != before {
			t.Errorf("cut %d: called again after its end, the rewind writes", cut)
		}
	}
}

// A write that comes between is never dropped without a word: it is taken back
// and counted, or it stays.
func TestRewindCountsWhatItOvertakes(t *testing.T) {
	db := open(t)
	g := db.Group("g")
	past := do(t, g, "1", func(tx *mainstem.Txn) error {
		for i := range 600 {
			tx.Put(fmt.Sprintf("k%04d", i), []byte("old"))
		}
		return nil
	})
	do(t, g, "2", func(tx *mainstem.Txn) error {
		for i := range 600 {
			tx.Put(fmt.Sprintf("k%04d", i), []byte("new"))
		}
		return nil
	})
	// After the first step somebody writes on both sides of where it ended.
	busy := &meddler{Backend: db.Backend(), meddle: func() {
		do(t, g, "between", func(tx *mainstem.Txn) error {
			tx.Put("k0001", []byte("between"))
			tx.Put("k0599", []byte("between"))
			return nil
		})
	}}
	done, err := mainstem.New(busy).Group("g").Rewind(within(t), "undo", "", past.Position)
	must(t, err)
	if done.Overtaken != 1 || done.Keys != 600 || done.Steps != 2 {
		t.Errorf("%+v, must have overtaken 1 of 600 keys in 2 steps", done)
	}
	v := view(t, g)
	for name, want := range map[string]string{"k0001": "between", "k0599": "old", "k0300": "old"} {
		if got, err := v.Get(t.Context(), name); err != nil || got.Value.String() != want {
			t.Errorf("%s is %q, %v, must be %q", name, got.Value, err, want)
		}
	}
}

// meddler does something once, after the first commit.
type meddler struct {
	mainstem.Backend
	meddle func()
}

func (m *meddler) Commit(ctx context.Context, t *mainstem.Transaction) (*mainstem.Receipt, error) {
	r, err := m.Backend.Commit(ctx, t)
	if m.meddle != nil {
		m.meddle()
		m.meddle = nil
	}
	return r, err
}

// A key with a TTL gets what is left of it.
func TestRewindKeepsTTL(t *testing.T) {
	g := open(t).Group("g")
	past := do(t, g, "1", func(tx *mainstem.Txn) error { tx.PutFor("k", []byte("old"), time.Hour); return nil })
	was, err := g.Get(t.Context(), "k", mainstem.Latest())
	must(t, err)
	do(t, g, "2", func(tx *mainstem.Txn) error { tx.Put("k", []byte("new")); return nil })
	rewind(t, g, "undo", "", past.Position)
	is, err := g.Get(t.Context(), "k", mainstem.Latest())
	must(t, err)
	if late := is.Until.Sub(was.Until); is.Value.String() != "old" || late < 0 || late > time.Minute {
		t.Errorf("%+v, must have the value and the end of %+v", is, was)
	}
}

// Whatever was written, a rewind gives back the state at any position.
func TestRewindToAnywhere(t *testing.T) {
	sim.Rounds(t, 15, func(t *testing.T, seed uint64) {
		r := sim.Rand(seed)
		g := open(t).Group("g")
		model := sheet{map[string]mainstem.Value{}, map[string][]string{}}
		at := map[mainstem.Position]string{}
		for n := range 12 {
			receipt := do(t, g, fmt.Sprint(n), func(tx *mainstem.Txn) error {
				for range 1 + r.IntN(8) {
					model.write(r, tx)
				}
				return nil
			})
			at[receipt.Position] = contents(t, view(t, g), "b")
		}
		for p, want := range at {
			rewind(t, g, fmt.Sprint("to", p), "b", p)
			if got := contents(t, view(t, g), "b"); got != want {
				t.Errorf("rewound to %s: %q, must be %q", p, got, want)
			}
		}
	})
}

// A key whose TTL is over stays away; and a rewind that has ended says so also
// when history no longer reaches back to where it went.
func TestRewindAfterALongTime(t *testing.T) {
	clock := mainstemtest.NewClock()
	db := open(t, embedded.OnClock(clock))
	g := db.Group("g")
	past := do(t, g, "1", func(tx *mainstem.Txn) error {
		tx.PutFor("short", nil, time.Minute)
		tx.Put("long", []byte("old"))
		return nil
	})
	do(t, g, "2", func(tx *mainstem.Txn) error {
		tx.Delete("short")
		tx.Put("long", []byte("new"))
		return nil
	})
	clock.Advance(5 * time.Minute)
	do(t, g, "3", func(tx *mainstem.Txn) error { tx.Put("x", nil); return nil })
	done := rewind(t, g, "undo", "", past.Position)
	if got := contents(t, view(t, g), ""); got != "long=old(3,false) " || done.Keys != 2 {
		t.Errorf("%q after %+v", got, done)
	}
	old := mainstem.New(forgetful{Backend: db.Backend()}).Group("g")
	if again := rewind(t, old, "undo", "", past.Position); again != done {
		t.Errorf("again %+v, was %+v", again, done)
	}
	_, err := old.Rewind(t.Context(), "another", "", past.Position)
	code(t, err, mainstem.Trimmed)
}
