package anomaly

import (
	"slices"
	"testing"
)

// TestModelsAreAnOrder: no model implies itself through others, and a stronger one
// prevents all that a weaker one does and is no more available.
func TestModelsAreAnOrder(t *testing.T) {
	available := []string{"none", "sticky", "total"}
	for _, m := range Models() {
		if m.Means == "" || len(m.Costs) == 0 || len(m.Source) == 0 || !slices.Contains(available, m.Available) {
			t.Errorf("%s is not explained", m.Name)
		}
		for _, name := range m.Prevents {
			if a, err := Lookup(name); err != nil || a.Name != name {
				t.Errorf("%s prevents %s: %v", m.Name, name, err)
			}
		}
		all, err := Prevents(m.Name)
		if err != nil {
			t.Fatal(err)
		}
		for _, next := range m.Implies {
			w, err := LookupModel(next)
			if err != nil {
				t.Fatalf("%s: %v", m.Name, err)
			}
			if back, err := Implies(w.Name, m.Name); err != nil || back {
				t.Errorf("%s and %s imply each other: %v", m.Name, w.Name, err)
			}
			less, err := Prevents(w.Name)
			if err != nil || !within(less, all) {
				t.Errorf("%s prevents %q, and the weaker %s %q, %v", m.Name, all, w.Name, less, err)
			}
			if slices.Index(available, m.Available) > slices.Index(available, w.Available) {
				t.Errorf("%s is stronger than %s and more available", m.Name, w.Name)
			}
		}
	}
}

// TestKnownOrder has what the literature says of pairs.
func TestKnownOrder(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"linearizable", "sequential", true},
		{"sequential", "linearizable", false},
		{"linearizable", "causal", true},
		{"strict serializability", "RYW", true},
		{"serializable", "linearizable", false},
		{"linearizable", "serializable", false},
		{"serializable", "snapshot isolation", true},
		{"snapshot_isolation", "repeatable_read", false},
		{"repeatable_read", "snapshot_isolation", false},
		{"causal", "monotonic_reads", true},
		{"causal", "consistent_prefix", false},
		{"linearizable", "eventual", true},
		{"pram", "writes_follow_reads", false},
	} {
		if got, err := Implies(c.a, c.b); err != nil || got != c.want {
			t.Errorf("%s implies %s: %v, %v", c.a, c.b, got, err)
		}
	}
	if _, err := Implies("x", "causal"); err == nil {
		t.Error("x is a model")
	}
	if _, err := Implies("causal", "x"); err == nil {
		t.Error("x is a model")
	}
}

// within is true if all of some are in others.
func within(some, others []string) bool {
	return !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(others, s) })
}
