package anomaly_test

import (
	"testing"

	"github.com/mainstemdb/mainstem/advise/anomaly"
	"github.com/mainstemdb/mainstem/advise/workload"
)

// options are what a field of a description can say, but for what is not known here.
func options(t *testing.T, field string) (names []string) {
	t.Helper()
	f, ok := workload.Lookup(field)
	if !ok || len(f.Options) == 0 {
		t.Fatalf("%s has no options", field)
	}
	for _, o := range f.Options {
		if o.Name != "other" {
			names = append(names, o.Name)
		}
	}
	return names
}

// TestDescriptionsSpeakTheSame: every anomaly and every product that a description can
// name is known here under that name.
func TestDescriptionsSpeakTheSame(t *testing.T) {
	for _, name := range options(t, "never[].anomaly") {
		if a, err := anomaly.Lookup(name); err != nil || a.Name != name {
			t.Errorf("%s: %v", name, err)
		}
	}
	levels := map[string]bool{}
	for _, engine := range options(t, "architecture.stores[].engine") {
		all, err := anomaly.Levels(engine)
		if err != nil || len(all) == 0 {
			t.Errorf("%s: %v", engine, err)
		}
		for _, l := range all {
			for _, name := range append([]string{l.Name}, l.Aliases...) {
				levels[name] = true
			}
		}
	}
	for _, name := range options(t, "architecture.stores[].isolation") {
		if !levels[name] {
			t.Errorf("no product has a level that is called %s", name)
		}
	}
}
