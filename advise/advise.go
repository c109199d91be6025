// Package advise turns the description of a workload into decisions that can
// be challenged: each names its rule, the facts that fired it, what it assumes,
// what it costs, and how to check it.
//
// The rules are data of package rules, the description is package workload.
// Advise adds the order, the confidence, and what is still open. It looks at
// nothing else: the same description gives the same answer, byte for byte.
package advise

import (
	"slices"

	"github.com/mainstemdb/mainstem/advise/control"
	"github.com/mainstemdb/mainstem/advise/model"
	"github.com/mainstemdb/mainstem/advise/rules"
	"github.com/mainstemdb/mainstem/advise/workload"
)

// Advise fires the rules on a workload. It never fails: what is not known is
// listed as an assumption or an open question, and lowers the confidence.
func Advise(w *workload.Workload) *Answer {
	w, isolation := inPlace(w)
	c := consider(w)
	a := &Answer{
		Name: w.Get("about.name").Text, Purpose: w.Get("about.purpose").Text,
		Assumptions: []Assumption{}, Decisions: []Decision{}, Questions: []Open{},
	}
	if a.TurnedAway = c.turnedAway(); len(a.TurnedAway) > 0 {
		a.Questions = c.nevertheless()
		return a
	}
	a.Contradictions = c.contradictions()
	a.Decisions = c.decisions()
	a.Model = model.Propose(w, func(rule string) rules.Finding { return c.byID[rule].Finding })
	a.Examples = c.advice(rules.Example)
	a.Isolation = isolation
	a.Exposures = c.exposures()
	a.Wishes = c.wishes()
	a.Remaining = c.remaining()
	a.Anomalies = c.anomalies()
	a.Traces = c.traces(a)
	a.Controls = control.Propose(w, func(rule string) bool { return c.byID[rule].Truth == rules.True })
	a.ChangeFirst = c.changes()
	a.Unclear = c.unclear()
	a.Gates = c.gates()
	a.Delegations = c.delegations()
	a.Guidance = c.advice(rules.Principle, rules.Always, rules.Never, rules.Prefer, rules.Pattern, rules.Question, rules.Move, rules.FAQ)
	a.Thresholds = c.thresholds(rules.Decision, rules.Exposure, rules.Failure, rules.Contradiction, rules.Example)
	a.Assumptions = c.assumptions()
	a.Questions = c.questions()
	return a
}

// verdict is a rule with what it came to.
type verdict struct {
	rule rules.Rule
	rules.Finding
	conditions []rules.Finding // each of its conditions alone
}

// considered is every rule evaluated once on one workload.
type considered struct {
	w    *workload.Workload
	all  []verdict
	byID map[string]*verdict
}

func consider(w *workload.Workload) *considered {
	c := &considered{w: w, byID: map[string]*verdict{}}
	for _, r := range rules.All() {
		v := verdict{rule: r, Finding: r.Eval(w)}
		for i := range r.When {
			v.conditions = append(v.conditions, r.When[i].Eval(w))
		}
		c.all = append(c.all, v)
	}
	for i := range c.all {
		c.byID[c.all[i].rule.ID] = &c.all[i]
	}
	return c
}

// are lists the rules of some kinds that came to one truth, in the order of the data.
func (c *considered) are(truth rules.Truth, kinds ...rules.Kind) (found []*verdict) {
	for i := range c.all {
		if c.all[i].Truth == truth && slices.Contains(kinds, c.all[i].rule.Kind) {
			found = append(found, &c.all[i])
		}
	}
	return found
}

func (c *considered) fired(kinds ...rules.Kind) []*verdict { return c.are(rules.True, kinds...) }

func (c *considered) turnedAway() (turned []Turned) {
	for _, v := range c.fired(rules.Boundary) {
		r := &v.rule
		t := Turned{
			Rule: r.ID, Title: r.Title, Decide: r.Decide, Reason: r.Reason, TurnTo: r.TurnTo,
			Because: v.Facts, Cases: r.Cases, Source: r.Source,
		}
		if r.NeverthelessIf != nil && r.NeverthelessIf.Eval(c.w).Truth == rules.True {
			t.Nevertheless = r.Nevertheless
		}
		turned = append(turned, t)
	}
	return turned
}

func (c *considered) contradictions() (found []Contradiction) {
	for _, v := range c.fired(rules.Contradiction) {
		r := &v.rule
		found = append(found, Contradiction{
			Rule: r.ID, Title: r.Title, Says: r.Decide, Reason: r.Reason, Choose: r.Choose, Because: v.Facts, Source: r.Source,
		})
	}
	return found
}

func (c *considered) advice(kinds ...rules.Kind) (found []Advice) {
	for _, v := range c.fired(kinds...) {
		r := &v.rule
		found = append(found, Advice{
			Rule: r.ID, Kind: r.Kind, Title: r.Title, Decide: r.Decide, Reason: r.Reason, Note: r.Note, See: r.See,
			Because: v.Facts, Source: r.Source,
		})
	}
	return found
}

func (c *considered) gates() (gates []Gate) {
	for _, v := range c.fired(rules.Gate) {
		r := &v.rule
		state := "unknown"
		switch at := c.w.Get(r.Field); {
		case at.Yes():
			state = "passed"
		case at.No():
			state = "not passed"
		}
		gates = append(gates, Gate{
			Rule: r.ID, Title: r.Title, Decide: r.Decide, Reason: r.Reason, State: state, Field: r.Field,
			Measure: r.Measure, Threshold: r.Threshold, Verify: r.Verify, Source: r.Source,
		})
	}
	return gates
}

func (c *considered) delegations() (found []Delegation) {
	for _, v := range c.fired(rules.Delegation) {
		r := &v.rule
		found = append(found, Delegation{
			Rule: r.ID, Title: r.Title, Answered: r.Decide, Unanswered: r.Unanswered, Reason: r.Reason, TurnTo: r.TurnTo, Source: r.Source,
		})
	}
	return found
}

// thresholds are those of the rules that were decided either way.
func (c *considered) thresholds(kinds ...rules.Kind) (used []rules.Threshold) {
	seen := map[string]bool{}
	for i := range c.all {
		v := &c.all[i]
		if v.Truth == rules.Unknown || !slices.Contains(kinds, v.rule.Kind) {
			continue
		}
		for _, t := range v.rule.Thresholds() {
			if !seen[t.Name] {
				seen[t.Name] = true
				used = append(used, t)
			}
		}
	}
	return used
}
