package control

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mainstemdb/mainstem/advise/numbers"
	"github.com/mainstemdb/mainstem/advise/rules"
	"github.com/mainstemdb/mainstem/advise/workload"
)

func decoded(t *testing.T, text string) *workload.Workload {
	t.Helper()
	w, err := workload.Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func propose(w *workload.Workload) *Set {
	return Propose(w, func(id string) bool {
		r, ok := rules.Lookup(id)
		if !ok {
			panic("there is no rule " + id)
		}
		return r.Eval(w).Truth == rules.True
	})
}

// TestNothingFromNothing: no control has a value that nobody gave ground for.
func TestNothingFromNothing(t *testing.T) {
	s := propose(decoded(t, ""))
	if len(s.Controls) > 0 || len(s.Unset) < 4 {
		t.Errorf("%+v, unset %+v", s.Controls, s.Unset)
	}
}

// TestEveryControlStandsOnItsFields takes away each field that a control names: the control is
// then gone, or another.
func TestEveryControlStandsOnItsFields(t *testing.T) {
	files, err := filepath.Glob("../../examples/workloads/*.yaml")
	if err != nil || len(files) < 14 {
		t.Fatalf("%d workloads, %v", len(files), err)
	}
	checked, kinds := 0, map[Kind]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range propose(decoded(t, string(text))).Controls {
			kinds[c.Kind] = true
			if c.Value == "" || c.Why == "" || c.Formula == "" || c.For == "" || len(c.Fields) == 0 {
				t.Errorf("%s: %+v is not whole", file, c)
			}
			for _, field := range c.Fields {
				w := decoded(t, string(text))
				checked++
				if err := w.Set(field, workload.Unknown); err != nil {
					t.Fatal(err)
				}
				if slices.ContainsFunc(propose(w).Controls, func(x Control) bool {
					return x.Kind == c.Kind && x.Name == c.Name && x.For == c.For && x.Value == c.Value && x.Why == c.Why
				}) {
					t.Errorf("%s: %s of %s is %s all the same without %s", file, c.Name, c.For, c.Value, field)
				}
			}
		}
	}
	if checked < 100 || len(kinds) != 7 {
		t.Errorf("%d fields were taken away, of the kinds %v: this does not see the controls", checked, kinds)
	}
}

// TestCalcComputesTheValue runs the command of each control: the value, or its reason, is what it says.
func TestCalcComputesTheValue(t *testing.T) {
	ran := 0
	files, _ := filepath.Glob("../../examples/workloads/*.yaml")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range propose(decoded(t, string(text))).Controls {
			if c.Calc == "" {
				continue
			}
			ran++
			name, inputs := parsed(t, c.Calc)
			calc, ok := numbers.Lookup(name)
			if !ok {
				t.Fatalf("%s: there is no such calculator", c.Calc)
			}
			figures, err := calc.Run(inputs)
			if err != nil {
				t.Errorf("%s: %v", c.Calc, err)
			}
			if !slices.ContainsFunc(figures, func(f numbers.Figure) bool { return strings.Contains(c.Value+" "+c.Why, f.Text) }) {
				t.Errorf("%s computes %v, and the control says %s", c.Calc, figures, c.Value)
			}
		}
	}
	if ran < 30 {
		t.Errorf("%d commands were run", ran)
	}
}

// parsed takes a command apart as a shell does; its only quotes are around inputs.
func parsed(t *testing.T, command string) (name string, inputs map[string]string) {
	t.Helper()
	rest, ok := strings.CutPrefix(command, "mainstem advise calc ")
	if !ok {
		t.Fatalf("%s is no calculation", command)
	}
	name, rest, _ = strings.Cut(rest, " ")
	inputs = map[string]string{}
	for rest != "" {
		key, value, _ := strings.Cut(rest, "=")
		if strings.HasPrefix(value, `"`) {
			value, rest, _ = strings.Cut(value[1:], `"`)
			rest = strings.TrimPrefix(rest, " ")
		} else {
			value, rest, _ = strings.Cut(value, " ")
		}
		inputs[key] = value
	}
	return name, inputs
}

// TestValues are computed by hand.
func TestValues(t *testing.T) {
	s := propose(decoded(t, `
objectives: {p99: 200 ms, p999: 1 s, availability: 99.9 %}
operations: [{name: book, kind: decide, rate: 50/s, hottest_key: 40 %, fan_out: 100}]
externals: [{name: bank, p99: 300 ms, takes_request_id: yes}, {name: old, p99: 2 s, takes_request_id: no}]
resources: [{name: seat, pause: 30 s}]
derived: [{name: map, kind: cache, staleness: 10 s}]
load: {growth: 10 GB}
`))
	for _, want := range []struct{ name, about, value string }{
		{"deadline", "each request", "1 s"},
		{"queue", "book", "10 at most"},                        // 50/s x 0.2 s
		{"turn at the hottest key", "book", "over 40 ms"},      // 0.8 / (50/s x 0.4)
		{"slow answers of one part", "book", "over 0.01005 %"}, // 1 - 0.99^(1/100)
		{"timeout", "bank", "600 ms"},
		{"timeout", "old", "4 s, and outside"},
		{"repetitions", "bank", "1 at most"}, // 0.01^2 is below 0.001
		{"repetitions", "old", "none"},
		{"breaker", "bank", "over 600 ms; try one again after 6 s"},
		{"lease", "seat", "renewed every 10 s; after a crash free within 33s"},
		{"lag", "map", "over 10 s; a warning from 5 s"},
		{"expiry", "map", "9 s to 10 s"},
		{"error budget, quickly", "each operation", "over 1.44 %"},
		{"error budget, slowly", "each operation", "over 0.6 %"},
		{"free space", "each copy", "under 300 GB"},
	} {
		if !slices.ContainsFunc(s.Controls, func(c Control) bool {
			return c.Name == want.name && c.For == want.about && strings.Contains(c.Value, want.value)
		}) {
			t.Errorf("no %s for %s is %s: %+v", want.name, want.about, want.value, s.Controls)
		}
	}
}

// TestCalcHasTheInputs: a command is given what the control is about, and not only the one figure
// that is taken from it.
func TestCalcHasTheInputs(t *testing.T) {
	s := propose(decoded(t, "resources: [{name: seat, pause: 30 s}]\n"))
	if want := `mainstem advise calc lease ttl="30 s" renew="10 s" poll="3 s" pause="30 s"`; len(s.Controls) != 1 || s.Controls[0].Calc != want {
		t.Errorf("%+v, and not %s", s.Controls, want)
	}
}

// TestLimits: what cannot be, or divides by nothing, gives no control.
func TestLimits(t *testing.T) {
	for _, text := range []string{
		"operations: [{kind: decide, rate: 10/s}]\nobjectives: {p99: 0 s}\n",
		"objectives: {availability: 100 %}\n", "objectives: {availability: 0 %}\n",
		"externals: [{takes_request_id: yes}]\n",
		"resources: [{pause: 0 s}]\n", "derived: [{kind: cache, staleness: 0 s}]\n", "load: {growth: 0 B}\n",
	} {
		for _, c := range propose(decoded(t, text)).Controls {
			if c.Kind != Alert || c.Name != "p99" {
				t.Errorf("%q gives %+v", text, c)
			}
			if strings.Contains(c.Value+c.Why, "Inf") || strings.Contains(c.Value+c.Why, "NaN") {
				t.Errorf("%q gives %s", text, c.Value)
			}
		}
	}
}

// TestBreakerStaysShutByChance: what is said of ten failures of twenty is so.
func TestBreakerStaysShutByChance(t *testing.T) {
	chance, choose := 0.0, 1.0
	for k := 0; k <= 20; k++ {
		if k >= 10 {
			chance += choose * math.Pow(cutOff, float64(k)) * math.Pow(1-cutOff, float64(20-k))
		}
		choose *= float64(20-k) / float64(k+1)
	}
	if chance > 1e-14 || chance < 1e-16 {
		t.Errorf("the chance is %g", chance)
	}
}
