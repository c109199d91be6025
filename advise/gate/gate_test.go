package gate

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/mainstemdb/mainstem/advise"
	"github.com/mainstemdb/mainstem/advise/rules"
	"github.com/mainstemdb/mainstem/advise/workload"
)

var update = flag.Bool("update", false, "write the gate files anew")

func answer(t *testing.T, text []byte) *advise.Answer {
	t.Helper()
	w, err := workload.Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	return advise.Advise(w)
}

// TestGates: each worked workload has a file that can be read back, in which every gate says what
// it measures, what that may be, how, and by which rule.
func TestGates(t *testing.T) {
	files, err := filepath.Glob("../../examples/workloads/*.yaml")
	if err != nil || len(files) < 14 {
		t.Fatalf("%d workloads, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		a := answer(t, text)
		said, err := Of(a).YAML()
		if err != nil {
			t.Fatal(err)
		}
		var back File
		dec := yaml.NewDecoder(bytes.NewReader(said))
		dec.KnownFields(true)
		if err := dec.Decode(&back); err != nil || back.Version != Version || back.Workload != a.Name {
			t.Errorf("%s: %v\n%s", file, err, said)
		}
		if len(a.TurnedAway) > 0 {
			if len(back.Gates) > 0 {
				t.Errorf("%s is turned away, and has gates", file)
			}
			continue
		}
		whole(t, file, back.Gates)
		if want := len(a.Wishes) + len(a.Gates) + len(a.Decisions); len(back.Gates) <= want-1 {
			t.Errorf("%s: %d gates, and there are %d wishes, gates and decisions", file, len(back.Gates), want)
		}
		golden(t, strings.TrimSuffix(filepath.Base(file), ".yaml"), said)
	}
}

func whole(t *testing.T, file string, gates []Gate) {
	t.Helper()
	seen := map[string]bool{}
	for _, g := range gates {
		if seen[g.Name] || g.Title == "" || g.Measure == "" || g.Threshold == "" || len(g.Checks) == 0 {
			t.Errorf("%s: %+v is not whole, or there twice", file, g)
		}
		seen[g.Name] = true
		for _, c := range g.Checks {
			if (c.Run == "") == (c.NotYet == "") || c.Run != "" && c.Shows == "" {
				t.Errorf("%s: %s: %+v is a command that shows something, or not there yet", file, g.Name, c)
			}
		}
		for _, id := range g.Rules {
			if _, ok := rules.Lookup(id); !ok {
				t.Errorf("%s: %s: there is no rule %s", file, g.Name, id)
			}
		}
		if len(g.Rules) == 0 && len(g.Fields) == 0 {
			t.Errorf("%s: %s stands on nothing", file, g.Name)
		}
	}
}

func golden(t *testing.T, name string, said []byte) {
	t.Helper()
	if name != "inventory" && name != "payments" { // the others differ in nothing but what was decided
		return
	}
	file := filepath.Join("testdata", name+".yaml")
	if *update {
		if err := os.WriteFile(file, said, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(file); err != nil || !bytes.Equal(want, said) {
		t.Errorf("%s is not what is written today: %v; look at the difference, then run go test ./gate -update", file, err)
	}
}

// TestWishIsNotMeasuredByARule: that a decision prevents something does not pass its gate, and what
// nothing prevents does not either.
func TestWishIsNotMeasuredByARule(t *testing.T) {
	base := "failure: {components_fail: yes, outcome_unknown: yes}\nnever: [{words: \"twice: a 'charge'\", anomaly: %}]\n"
	for anomaly, want := range map[string]string{"duplicate_effect": "unknown", "phantom": "not passed", "unknown": "unknown"} {
		g := Of(answer(t, []byte(strings.Replace(base, "%", anomaly, 1)))).Gates[0]
		if g.State != want || g.Title != "twice: a 'charge'" || len(g.Checks) == 0 {
			t.Errorf("%s: %+v", anomaly, g)
		}
	}
}
