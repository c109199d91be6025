package advise_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/mainstemdb/mainstem/advise"
)

// TestObjectionsAreAnswered: for each worked workload a reviewer's objections
// are answered from rules that are part of the answer, so that an objection
// whose ground has gone is noticed.
func TestObjectionsAreAnswered(t *testing.T) {
	for _, name := range workloads(t) {
		a := advise.Advise(read(t, name))
		if len(a.TurnedAway) > 0 {
			continue
		}
		text, err := os.ReadFile(filepath.Join(folder, "objections", name+".yaml"))
		if err != nil {
			t.Error(err)
			continue
		}
		var objections []struct {
			Objection, Answer string
			Rules             []string
		}
		dec := yaml.NewDecoder(bytes.NewReader(text))
		dec.KnownFields(true)
		if err := dec.Decode(&objections); err != nil || len(objections) < 2 {
			t.Errorf("%s: %d objections, %v", name, len(objections), err)
		}
		said := applied(a)
		for _, o := range objections {
			if o.Objection == "" || o.Answer == "" || len(o.Rules) == 0 {
				t.Errorf("%s: %q is not answered from a rule", name, o.Objection)
			}
			for _, id := range o.Rules {
				if !slices.Contains(said, id) {
					t.Errorf("%s: %q is answered from %s, which is no part of the answer", name, o.Objection, id)
				}
			}
		}
	}
}

// applied are the rules that an answer rests on.
func applied(a *advise.Answer) []string {
	ids := decided(a)
	for _, e := range a.Exposures {
		ids = append(ids, e.Rule)
	}
	for _, c := range a.Contradictions {
		ids = append(ids, c.Rule)
	}
	for _, e := range a.Examples {
		ids = append(ids, e.Rule)
	}
	return ids
}
