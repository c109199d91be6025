package sim

import (
	"context"
	"testing"

	"github.com/mainstemdb/mainstem"
)

// over runs a test on the model and on the product.
func over(t *testing.T, test func(t *testing.T, db *mainstem.DB)) {
	t.Run("model", func(t *testing.T) { test(t, NewModel().DB()) })
	t.Run("product", func(t *testing.T) { test(t, configurations[0].start(t).DB()) })
}

// attack tries one anomaly in a group that holds x = y = 1, by hand: first is
// a function under way when second, once, commits in the middle of it.
type attack struct {
	name  string
	first func(a *attempt, tx *mainstem.Txn)
	// second is what another client commits meanwhile.
	second func(tx *mainstem.Txn)
	runs   int              // how often first must have run
	want   map[string]int64 // what the keys hold at the end
}

// attempt is one attack under way.
type attempt struct {
	t         *testing.T
	g         mainstem.Group
	second    func(tx *mainstem.Txn)
	runs      int
	meanwhile bool
}

func (a *attempt) get(r mainstem.Reader, key string) int64 {
	a.t.Helper()
	v, err := r.Get(a.t.Context(), key)
	if err != nil {
		a.t.Fatalf("get %s: %v", key, err)
	}
	return v.Value.Int
}

func (a *attempt) count(tx *mainstem.Txn, prefix string) (n int64) {
	a.t.Helper()
	from, to := mainstem.Prefix(prefix)
	for _, err := range tx.Scan(a.t.Context(), from, to) {
		if err != nil {
			a.t.Fatal(err)
		}
		n++
	}
	return n
}

// other commits the second transaction, in the first run only.
func (a *attempt) other() {
	a.t.Helper()
	if a.meanwhile {
		return
	}
	a.meanwhile = true
	a.commit(a.second)
}

func (a *attempt) commit(fn func(*mainstem.Txn)) {
	a.t.Helper()
	if _, err := a.g.Do(a.t.Context(), "", func(tx *mainstem.Txn) error {
		fn(tx)
		return nil
	}); err != nil {
		a.t.Fatal(err)
	}
}

// now is what a reader outside sees at this moment.
func (a *attempt) now(key string) int64 {
	a.t.Helper()
	v, err := a.g.Get(a.t.Context(), key, mainstem.Latest())
	if err != nil {
		a.t.Fatal(err)
	}
	return v.Value.Int
}

func (a *attempt) expect(what string, got, want int64) {
	a.t.Helper()
	if got != want {
		a.t.Errorf("%s: %d, want %d", what, got, want)
	}
}

func set(pairs ...any) func(*mainstem.Txn) {
	return func(tx *mainstem.Txn) {
		for i := 0; i < len(pairs); i += 2 {
			tx.Set(pairs[i].(string), int64(pairs[i+1].(int)))
		}
	}
}

var attacks = []attack{
	{"dirty write (G0)", func(a *attempt, tx *mainstem.Txn) {
		tx.Set("x", 10)
		a.other()
		tx.Set("y", 10)
	}, set("x", 20, "y", 20), 1, map[string]int64{"x": 10, "y": 10}},
	{"dirty read", func(a *attempt, tx *mainstem.Txn) {
		tx.Set("x", 10)
		a.expect("x outside, before the commit", a.now("x"), 1)
		a.other()
	}, set("y", 20), 1, map[string]int64{"x": 10, "y": 20}},
	{"intermediate read (G1b)", func(a *attempt, tx *mainstem.Txn) {
		tx.Set("x", 10)
		a.other()
		tx.Set("x", 11)
		a.expect("x outside, between two writes", a.now("x"), 1)
	}, set("y", 20), 1, map[string]int64{"x": 11, "y": 20}},
	{"lost update", func(a *attempt, tx *mainstem.Txn) {
		x := a.get(tx, "x")
		a.other()
		tx.Set("x", x+1)
	}, set("x", 5), 2, map[string]int64{"x": 6}},
	{"fuzzy read", func(a *attempt, tx *mainstem.Txn) {
		x := a.get(tx, "x")
		a.other()
		a.expect("x read again", a.get(tx, "x"), x)
		tx.Set("z", x)
	}, set("x", 5), 2, map[string]int64{"z": 5}},
	{"read skew (G-single)", func(a *attempt, tx *mainstem.Txn) {
		x := a.get(tx, "x")
		a.other()
		a.expect("y beside x", a.get(tx, "y"), x)
		tx.Set("z", x+a.get(tx, "y"))
	}, set("x", 5, "y", 5), 2, map[string]int64{"z": 10}},
	{"write skew (G2)", func(a *attempt, tx *mainstem.Txn) {
		on := a.get(tx, "x") + a.get(tx, "y")
		a.other()
		if on > 1 {
			tx.Set("x", 0)
		}
	}, set("y", 0), 2, map[string]int64{"x": 1, "y": 0}},
	{"phantom that appears", func(a *attempt, tx *mainstem.Txn) {
		n := a.count(tx, "r/")
		a.other()
		tx.Set("n", n)
	}, set("r/new", 1), 2, map[string]int64{"n": 1}},
	{"phantom that goes", func(a *attempt, tx *mainstem.Txn) {
		n := a.count(tx, "x")
		a.other()
		tx.Set("n", n)
	}, func(tx *mainstem.Txn) { tx.Delete("x") }, 2, map[string]int64{"n": 0}},
	{"phantom in an empty key", func(a *attempt, tx *mainstem.Txn) {
		z := a.get(tx, "z")
		a.other()
		tx.Set("n", z+1)
	}, set("z", 4), 2, map[string]int64{"n": 5}},
	{"phantom event", func(a *attempt, tx *mainstem.Txn) {
		n, err := tx.Length(a.t.Context(), "s")
		if err != nil {
			a.t.Fatal(err)
		}
		a.other()
		tx.Set("n", int64(n))
	}, func(tx *mainstem.Txn) { tx.Append("s", mainstem.Event{Type: "t"}) }, 2, map[string]int64{"n": 1}},
	{"no false conflict beside the range", func(a *attempt, tx *mainstem.Txn) {
		n := a.count(tx, "r/")
		a.other()
		tx.Set("n", n)
	}, set("q", 1, "s", 1), 1, map[string]int64{"n": 0}},
}

// TestAnomaliesThroughDo attempts each named anomaly in the functional form.
func TestAnomaliesThroughDo(t *testing.T) {
	for _, k := range attacks {
		t.Run(k.name, func(t *testing.T) {
			over(t, func(t *testing.T, db *mainstem.DB) {
				a := &attempt{t: t, g: db.Group("g"), second: k.second}
				a.commit(set("x", 1, "y", 1))
				if _, err := a.g.Do(t.Context(), "first", func(tx *mainstem.Txn) error {
					a.runs++
					k.first(a, tx)
					return nil
				}); err != nil {
					t.Fatal(err)
				}
				a.expect("runs of the function", int64(a.runs), int64(k.runs))
				for key, want := range k.want {
					a.expect(key, a.now(key), want)
				}
			})
		})
	}
}

// raw is an anomaly attempted with conditions by hand: Since is the position
// of a view opened before the other client's commit.
var raw = []struct {
	name   string
	reads  func(since mainstem.Position) []mainstem.Condition
	second func(tx *mainstem.Txn)
	want   mainstem.Code
}{
	{"lost update", func(p mainstem.Position) []mainstem.Condition {
		return []mainstem.Condition{mainstem.KeyUnchanged{Name: "x", Since: p}}
	}, set("x", 5), mainstem.Conflict},
	{"lost update by value", func(mainstem.Position) []mainstem.Condition {
		return []mainstem.Condition{mainstem.KeyEquals{Name: "x", Value: mainstem.Int(1)}}
	}, set("x", 5), mainstem.Conflict},
	{"lost update, same value written", func(p mainstem.Position) []mainstem.Condition {
		return []mainstem.Condition{mainstem.KeyUnchanged{Name: "x", Since: p}}
	}, set("x", 1), mainstem.Conflict},
	{"read skew", func(p mainstem.Position) []mainstem.Condition {
		return []mainstem.Condition{mainstem.KeyUnchanged{Name: "x", Since: p}, mainstem.KeyUnchanged{Name: "y", Since: p}}
	}, set("y", 5), mainstem.Conflict},
	{"create twice", func(mainstem.Position) []mainstem.Condition {
		return []mainstem.Condition{mainstem.KeyAbsent{Name: "z"}}
	}, set("z", 1), mainstem.Exists},
	{"phantom", func(p mainstem.Position) []mainstem.Condition {
		return []mainstem.Condition{mainstem.RangeUnchanged{From: "r", To: "s", Since: p}}
	}, set("r1", 1), mainstem.Conflict},
	{"phantom by deletion", func(p mainstem.Position) []mainstem.Condition {
		return []mainstem.Condition{mainstem.RangeUnchanged{From: "x", To: "", Since: p}}
	}, func(tx *mainstem.Txn) { tx.Delete("y") }, mainstem.Conflict},
	{"phantom that came and went", func(p mainstem.Position) []mainstem.Condition {
		return []mainstem.Condition{mainstem.RangeUnchanged{From: "r", To: "s", Since: p}}
	}, func(tx *mainstem.Txn) { tx.Set("r1", 1); tx.Delete("r1") }, mainstem.Conflict},
	{"phantom stream", func(p mainstem.Position) []mainstem.Condition {
		return []mainstem.Condition{mainstem.StreamsUnchanged{From: "s", To: "", Since: p}}
	}, func(tx *mainstem.Txn) { tx.Append("s9", mainstem.Event{Type: "t"}) }, mainstem.Conflict},
	{"append after others", func(mainstem.Position) []mainstem.Condition {
		return []mainstem.Condition{mainstem.StreamLength{Stream: "s", Length: 0}}
	}, func(tx *mainstem.Txn) { tx.Append("s", mainstem.Event{Type: "t"}) }, mainstem.Conflict},
	{"nothing happened", func(p mainstem.Position) []mainstem.Condition {
		return []mainstem.Condition{
			mainstem.RangeUnchanged{From: "x", Since: p},
			mainstem.StreamsUnchanged{From: "s", Since: p},
			mainstem.KeyUnchanged{Name: "x", Since: p},
			mainstem.StreamLength{Stream: "s"},
			mainstem.KeyAbsent{Name: "z"},
		}
	}, set("q", 1), 0},
}

// TestAnomaliesThroughConditions attempts them with a transaction made by hand.
func TestAnomaliesThroughConditions(t *testing.T) {
	for _, k := range raw {
		t.Run(k.name, func(t *testing.T) {
			over(t, func(t *testing.T, db *mainstem.DB) {
				a := &attempt{t: t, g: db.Group("g"), second: k.second}
				a.commit(set("x", 1, "y", 1))
				conditions := k.reads(position(t, a.g))
				a.other()
				_, err := db.Backend().Commit(t.Context(), &mainstem.Transaction{
					Group: "g", ID: mainstem.ID{Opaque: "first"}, Attempt: 1, Conditions: conditions,
					Operations: []mainstem.Operation{mainstem.Put{Name: "w", Value: mainstem.Int(1)}},
				})
				if mainstem.CodeOf(err) != k.want {
					t.Errorf("answered %v, want %s", err, k.want)
				}
				wrote := int64(0)
				if k.want == 0 {
					wrote = 1
				}
				a.expect("w", a.now("w"), wrote)
			})
		})
	}
}

func position(t *testing.T, g mainstem.Group) mainstem.Position {
	t.Helper()
	v, err := g.View(t.Context(), mainstem.Latest())
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	return v.Stamp().Position
}

// TestAbortedIsNeverSeen: what a function asked for before it failed is in no
// view, no history and no feed (G1a).
func TestAbortedIsNeverSeen(t *testing.T) {
	over(t, func(t *testing.T, db *mainstem.DB) {
		a := &attempt{t: t, g: db.Group("g")}
		a.commit(set("x", 1))
		_, err := a.g.Do(t.Context(), "failed", func(tx *mainstem.Txn) error {
			tx.Set("x", 666)
			return context.Canceled
		})
		_, err2 := a.g.Do(t.Context(), "conflicted", func(tx *mainstem.Txn) error {
			tx.Set("x", 667)
			tx.Add("x", -1000, mainstem.Floor(0))
			return nil
		})
		if err == nil || mainstem.CodeOf(err2) != mainstem.OutOfRange {
			t.Fatalf("answered %v and %v", err, err2)
		}
		a.expect("x", a.now("x"), 1)
		for batch, err := range db.Changes(t.Context(), mainstem.From{Drain: true}) {
			if err != nil || len(batch.Changes) != 1 {
				t.Errorf("the feed has %v, %v", batch.Changes, err)
			}
		}
	})
}
