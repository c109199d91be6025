package anomaly

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestLevelsAreWhole: each level says something of every anomaly of isolation, of none
// twice, and what it is in truth is prevented as that model asks.
func TestLevelsAreWhole(t *testing.T) {
	for _, e := range Engines() {
		defaults := 0
		for _, l := range e.Levels {
			at := e.Name + " " + l.Name
			if l.Title == "" || l.How == "" || len(l.Source) == 0 || !slices.Contains(grades, l.Sure) || len(e.Traps) == 0 || e.Versions == "" {
				t.Errorf("%s is not explained", at)
			}
			if l.Default {
				defaults++
			}
			said := slices.Concat(l.Prevents, l.Admits, slices.Collect(maps.Keys(l.Partly)))
			slices.Sort(said)
			if len(slices.Compact(slices.Clone(said))) != len(said) {
				t.Errorf("%s says something twice: %q", at, said)
			}
			for _, name := range slices.Concat(said, slices.Collect(maps.Keys(l.Less))) {
				if a, err := Lookup(name); err != nil || a.Name != name || !slices.Contains(said, name) {
					t.Errorf("%s: %s: %v", at, name, err)
				}
			}
			for _, a := range All() {
				if a.Kind == Isolation && len(a.Follows) == 0 && !slices.Contains(said, a.Name) {
					t.Errorf("%s says nothing of %s", at, a.Name)
				}
			}
			prevented, err := Prevents(l.Model)
			if err != nil {
				t.Errorf("%s: %v", at, err)
			}
			for _, name := range prevented {
				if _, partly := l.Partly[name]; !slices.Contains(l.Prevents, name) && !partly {
					t.Errorf("%s is called %s and admits %s", at, l.Model, name)
				}
			}
		}
		if defaults > 1 {
			t.Errorf("%s has %d default levels", e.Name, defaults)
		}
		for i, l := range e.Levels[1:] {
			if before := e.Levels[i]; stronger(e.Name, before, l) {
				t.Errorf("%s: %s is listed before %s, which is weaker", e.Name, before.Name, l.Name)
			}
		}
	}
}

// TestAdmits has what every user should know by heart, and the traps.
func TestAdmits(t *testing.T) {
	for _, c := range []struct {
		engine, level, anomaly string
		want                   Answer
	}{
		{"postgresql", "READ COMMITTED", "lost update", Yes},
		{"postgresql", "repeatable_read", "lost_update", No},
		{"postgresql", "snapshot", "write_skew", Yes},
		{"PostgreSQL", "SERIALIZABLE", "write_skew", No},
		{"mysql", "repeatable_read", "lost_update", Yes},
		{"mysql", "repeatable_read", "phantom", Partly},
		{"oracle", "serializable", "write_skew", Yes},
		{"oracle", "serializable", "lost_update", No},
		{"sqlserver", "repeatable_read", "phantom", Yes},
		{"sqlserver", "snapshot", "phantom", No},
		{"sqlserver", "snapshot", "A5B", Yes},
		{"sqlite", "serializable", "write_skew", No},
		{"cockroachdb", "serializable", "causality_violation", Partly},
		{"mongodb", "snapshot", "write_skew", Yes},
		{"mongodb", "local", "dirty_read", Yes},
		{"mongodb", "causal", "read_your_writes_violation", No},
		{"cassandra", "quorum", "lost_update", Yes},
		{"cassandra", "lwt", "lost_update", No},
		{"dynamodb", "none", "stale_read", Yes},
		{"postgresql", "serializable", "stale_read", Outside},
		{"postgresql", "serializable", "duplicate_effect", Outside},
		{"postgresql", "read_committed", "double_spend", Yes},
		{"postgresql", "repeatable_read", "double_spend", Yes},
		{"postgresql", "serializable", "double_spend", No},
		{"cassandra", "lwt", "double_spend", Yes},
		{"dynamodb", "transactional", "double_spend", Partly},
	} {
		v, err := Admits(c.engine, c.level, c.anomaly)
		if err != nil || v.Admits != c.want {
			t.Errorf("%s %s, %s: %s (%s), %v; want %s", c.engine, c.level, c.anomaly, v.Admits, v.When, err, c.want)
		}
		if (v.Admits == Partly || v.Admits == Outside) != (v.When != "") && v.Admits != Yes {
			t.Errorf("%s %s, %s: %s, when %q", c.engine, c.level, c.anomaly, v.Admits, v.When)
		}
	}
	for _, c := range [][3]string{{"postgres9", "serializable", "phantom"}, {"oracle", "repeatable_read", "phantom"}, {"oracle", "serializable", "fantom"}} {
		var unknown *UnknownError
		if _, err := Admits(c[0], c[1], c[2]); !errors.As(err, &unknown) || len(unknown.Known) == 0 {
			t.Errorf("%q: %v", c, err)
		}
	}
}

func TestWeakest(t *testing.T) {
	for _, c := range []struct {
		engine string
		never  []string
		level  string
		or     []string
		sure   Sure
	}{
		{"postgresql", []string{"dirty_read"}, "read_committed", nil, Tested},
		{"postgresql", []string{"lost_update"}, "repeatable_read", nil, Tested},
		{"postgresql", []string{"lost_update", "write_skew"}, "serializable", nil, Tested},
		{"postgresql", []string{"double_spend"}, "serializable", nil, Tested},
		{"mysql", []string{"lost_update"}, "serializable", nil, Documented},
		{"sqlserver", []string{"lost_update"}, "repeatable_read", []string{"snapshot"}, Documented},
		{"sqlserver", []string{"phantom"}, "snapshot", nil, Documented},
		{"cassandra", []string{"lost_update"}, "lwt", nil, Documented},
		{"mongodb", []string{"read_your_writes_violation"}, "causal", nil, Documented},
		{"redis", []string{"lost_update", "write_skew"}, "watch", nil, Inferred},
	} {
		got, err := Weakest(c.engine, c.never)
		if err != nil || got.Level != c.level || !slices.Equal(got.Or, c.or) || got.Sure != c.sure || len(got.Verdicts) != len(c.never) {
			t.Errorf("%s, %q: %+v, %v", c.engine, c.never, got, err)
		}
	}
	got, err := Weakest("postgresql", []string{"stale_read", "phantom"})
	if err != nil || got.Level != "repeatable_read" || len(got.Outside) != 1 || got.Outside[0].Anomaly != "stale_read" {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err = Weakest("postgresql", []string{"split_brain"}); err != nil || got.Level != "" || len(got.Outside) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	var none *NoLevelError
	if _, err = Weakest("oracle", []string{"write_skew", "phantom"}); !errors.As(err, &none) || !slices.Equal(none.Left, []string{"write_skew"}) || !strings.Contains(err.Error(), "FOR UPDATE") {
		t.Errorf("%v", err)
	}
	if _, err = Weakest("oracle", nil); !errors.Is(err, ErrNothingNamed) {
		t.Error(err)
	}
	var unknown *UnknownError
	if _, err = Weakest("oracle", []string{"x"}); !errors.As(err, &unknown) {
		t.Error(err)
	}
}

// TestWeakestIsWeakest against a plain search: every pair of anomalies on every product.
func TestWeakestIsWeakest(t *testing.T) {
	pairs := 0
	for _, e := range Engines() {
		for i, a := range All() {
			for _, b := range All()[i:] {
				prevents := func(l Level) bool {
					va, vb := verdict(e.Name, l, a).Admits, verdict(e.Name, l, b).Admits
					return (va == No || !decided(e, a)) && (vb == No || !decided(e, b))
				}
				first := slices.IndexFunc(e.Levels, prevents)
				got, err := Weakest(e.Name, []string{a.Name, b.Name})
				switch {
				case !decided(e, a) && !decided(e, b):
					if err != nil || got.Level != "" {
						t.Errorf("%s, %s and %s: %+v, %v", e.Name, a.Name, b.Name, got, err)
					}
				case first < 0:
					var none *NoLevelError
					if !errors.As(err, &none) || len(none.Left) == 0 {
						t.Errorf("%s, %s and %s: %+v, %v", e.Name, a.Name, b.Name, got, err)
					}
				case err != nil || got.Level != e.Levels[first].Name:
					t.Errorf("%s, %s and %s: %+v, %v; want %s", e.Name, a.Name, b.Name, got, err, e.Levels[first].Name)
				default:
					pairs++
				}
			}
		}
	}
	if pairs < 500 {
		t.Errorf("only %d pairs were answered", pairs)
	}
}
