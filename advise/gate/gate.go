// Package gate writes the quality gates of an answer as a file to be kept beside the
// code: what is measured, what it may be, the command that measures it or what is
// not there yet, and the rule that it comes from.
package gate

import (
	"bytes"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/mainstemdb/mainstem/advise"
	"github.com/mainstemdb/mainstem/advise/control"
	"github.com/mainstemdb/mainstem/advise/model"
	"github.com/mainstemdb/mainstem/advise/rules"
)

// Version is that of the file's form.
const Version = 1

// File is the file.
type File struct {
	Version  int    `json:"version"            yaml:"version"`
	Workload string `json:"workload,omitempty" yaml:"workload,omitempty"`
	Gates    []Gate `json:"gates"              yaml:"gates"`
}

// Gate is one thing that has to be true before it goes live, and stay true.
type Gate struct {
	Name      string   `json:"name"             yaml:"name"` // unique in the file
	Title     string   `json:"title"            yaml:"title"`
	Measure   string   `json:"measure"          yaml:"measure"`
	Threshold string   `json:"threshold"        yaml:"threshold"`
	Checks    []Check  `json:"checks"           yaml:"checks"`
	State     string   `json:"state"            yaml:"state"` // passed, not passed, unknown
	Rules     []string `json:"rules"            yaml:"rules,flow"`
	Fields    []string `json:"fields,omitempty" yaml:"fields,omitempty,flow"`
}

// Check is a command, or what is not there yet.
type Check struct {
	Run    string `json:"run,omitempty"     yaml:"run,omitempty"`
	Shows  string `json:"shows,omitempty"   yaml:"shows,omitempty"`
	NotYet string `json:"not_yet,omitempty" yaml:"not_yet,omitempty"`
}

// Of are the gates of an answer: first what must never happen, then the quality gates
// that apply, then that each decision holds, then figures that are watched. One that
// turns away has none.
func Of(a *advise.Answer) *File {
	f := &File{Version: Version, Workload: a.Name, Gates: []Gate{}}
	for i, w := range a.Wishes {
		f.Gates = append(f.Gates, wish(a, i+1, w))
	}
	for _, g := range a.Gates {
		f.Gates = append(f.Gates, Gate{
			Name: g.Rule, Title: g.Title, Measure: g.Measure, Threshold: g.Threshold, Checks: checks(g.Verify), State: g.State,
			Rules: []string{g.Rule}, Fields: []string{g.Field},
		})
	}
	for _, d := range a.Decisions {
		f.Gates = append(f.Gates, Gate{
			Name: "decision-" + d.Rule, Title: d.Title, Measure: "checks of this decision that fail", Threshold: "0", Checks: checks(d.Verify), State: "unknown",
			Rules: []string{d.Rule},
		})
	}
	if a.Controls != nil {
		n := 0
		for _, c := range a.Controls.Controls {
			if c.Kind == control.Alert {
				n++
				f.Gates = append(f.Gates, watched(a, n, c))
			}
		}
	}
	return f
}

// wish is what must never happen. That a decision prevents it is not yet a measurement.
func wish(a *advise.Answer, n int, w advise.Wish) Gate {
	g := Gate{
		Name: fmt.Sprintf("never-%d", n), Title: w.Words, Threshold: "0", State: "unknown", Rules: append([]string{}, w.Prevented...),
		Measure: "histories of a run under kills, cuts and pauses that show it", Fields: []string{fmt.Sprintf("never[%d]", n-1)},
	}
	if w.Anomaly != "unknown" {
		g.Measure += " (" + w.Anomaly + ")"
	}
	if w.State == "not prevented" {
		g.State = "not passed"
	}
	for _, d := range a.Decisions {
		for _, id := range w.Prevented {
			if d.Rule == id {
				g.Checks = append(g.Checks, checks(d.Verify)...)
			}
		}
	}
	if len(g.Checks) == 0 {
		g.Checks = []Check{{NotYet: "no decision prevents it; until one does there is nothing to check"}}
	}
	return g
}

// watched is a figure with an alert.
func watched(a *advise.Answer, n int, c control.Control) Gate {
	g := Gate{
		Name: fmt.Sprintf("watched-%d", n), Title: "An alert on " + c.Name + " of " + c.For, Measure: c.Name + " of " + c.For, Threshold: "not " + c.Value,
		State: "unknown", Rules: append([]string{}, c.Rules...), Fields: c.Fields,
	}
	switch {
	case c.Name == "lag" && a.Model != nil && a.Model.Door.Door == model.PG:
		g.Checks = []Check{{Run: "mainstem pg status", Shows: "how far each consumer is behind"}}
	case c.Calc != "":
		g.Checks = []Check{{Run: c.Calc, Shows: "where the figure comes from"}, {NotYet: "the alert itself, in your monitoring"}}
	default:
		g.Checks = []Check{{NotYet: "the alert itself, in your monitoring"}}
	}
	return g
}

func checks(verify []rules.Check) (all []Check) {
	for _, v := range verify {
		all = append(all, Check{Run: v.Run, Shows: v.Shows, NotYet: v.NotYet})
	}
	return all
}

// YAML is the file as text: the same gates give the same bytes.
func (f *File) YAML() ([]byte, error) {
	var b bytes.Buffer
	name := strings.Join(strings.Fields(f.Workload), " ")
	if name == "" {
		name = "a workload"
	}
	fmt.Fprintf(&b, "# Quality gates of %s: what is measured, what it may be, and how to measure it. not_yet is what nobody has built.\n", name)
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(f); err != nil {
		return nil, fmt.Errorf("gate: %w", err)
	}
	return b.Bytes(), enc.Close()
}
