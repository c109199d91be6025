package advise_test

import (
	"slices"
	"testing"

	"github.com/mainstemdb/mainstem/advise"
	"github.com/mainstemdb/mainstem/advise/workload"
)

// TestIsolationIsOfTheProduct: a level is judged by what it is on its product, not by
// its name; where that is not known, by its name.
func TestIsolationIsOfTheProduct(t *testing.T) {
	for _, c := range []struct{ engine, said, judged, exposed string }{
		{"postgresql", "serializable", "", ""},
		{"postgresql", "repeatable_read", "snapshot", "snapshot-isolation"},
		{"oracle", "serializable", "snapshot", "snapshot-isolation"},
		{"mysql", "repeatable_read", "read_committed", "weak-isolation"},
		{"sqlserver", "snapshot", "", "snapshot-isolation"},
		{"oracle", "repeatable_read", "none", "snapshot-isolation"}, // it has no such level
		{"other", "serializable", "none", ""},
	} {
		var w workload.Workload
		for field, value := range map[string]string{
			"architecture.stores[0].engine": c.engine, "architecture.stores[0].isolation": c.said, "consistency.spans_keys": "yes",
		} {
			if err := w.Set(field, value); err != nil {
				t.Fatal(err)
			}
		}
		a := advise.Advise(&w)
		judged := "none"
		for _, one := range a.Isolation {
			judged = one.Judged
		}
		if judged != c.judged {
			t.Errorf("%s of %s is judged as %q, want %q", c.said, c.engine, judged, c.judged)
		}
		for _, rule := range []string{"snapshot-isolation", "weak-isolation"} {
			fired := slices.ContainsFunc(a.Exposures, func(e advise.Exposure) bool { return e.Rule == rule })
			if fired != (rule == c.exposed) {
				t.Errorf("%s of %s: %s is %t", c.said, c.engine, rule, fired)
			}
		}
		if w.Get("architecture.stores[0].isolation").Text != c.said {
			t.Errorf("the description itself says %s now", w.Get("architecture.stores[0].isolation").Text)
		}
	}
}
