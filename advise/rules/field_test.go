package rules

import (
	"slices"
	"strings"
	"testing"

	"github.com/mainstemdb/mainstem/advise/workload"
)

// figures are the fields that no rule asks about: names and words of the user,
// and what the calculators and the tables of isolation levels take.
var figures = map[string]string{
	"about.purpose": "words", "never[].words": "words", "never[].cost": "the rank of decisions", "steps[].service": "words",
	"scope.deadline": "words", "operations[].size": "capacity", "operations[].share": "capacity", "operations[].compensable": "words",
	"operations[].key": "the data model", "operations[].event": "the data model", "reads[].rate": "capacity", "objectives.availability": "the error budget", "architecture.stores[].engine": "isolation levels",
}

// TestNothingIsAskedForNothing: each field is used by a rule, or stands above.
func TestNothingIsAskedForNothing(t *testing.T) {
	used := map[string]bool{}
	for _, r := range All() {
		conditions := slices.Clone(r.When)
		for _, c := range []*Condition{r.About, r.NeverthelessIf} {
			if c != nil {
				conditions = append(conditions, *c)
			}
		}
		for _, f := range r.Fixes {
			if f.Done != nil {
				conditions = append(conditions, *f.Done)
			}
		}
		for i := range conditions {
			for _, path := range conditions[i].Fields() {
				used[path] = true
			}
		}
		for _, path := range append(slices.Clone(r.InformedBy), r.Field) {
			used[path] = true
		}
	}
	for _, s := range workload.Sections() {
		for _, f := range s.Fields {
			if !used[f.Path] && figures[f.Path] == "" && !strings.HasSuffix(f.Path, ".name") {
				t.Errorf("%s is asked, and nothing follows from it", f.Path)
			}
			if used[f.Path] && figures[f.Path] != "" {
				t.Errorf("%s is used by a rule, and listed as a figure", f.Path)
			}
		}
	}
}
