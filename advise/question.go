package advise

import (
	"cmp"
	"slices"

	"github.com/mainstemdb/mainstem/advise/rules"
	"github.com/mainstemdb/mainstem/advise/workload"
)

// assumptions are the fields that bear on the boundaries and on what was
// decided, and that nobody answered, in the order of the description.
func (c *considered) assumptions() []Assumption {
	bears := map[string][]string{}
	for _, v := range c.are(rules.Unknown, rules.Boundary) {
		for _, path := range v.Missing {
			bears[path] = append(bears[path], v.rule.ID)
		}
	}
	for _, v := range c.fired(rules.Decision) {
		for _, path := range v.rule.InformedBy {
			if !c.known(path) {
				bears[path] = append(bears[path], v.rule.ID)
			}
		}
	}
	found := []Assumption{}
	eachField(func(f workload.Field) {
		if ids := bears[f.Path]; len(ids) > 0 {
			found = append(found, Assumption{Field: f.Path, Ask: f.Ask, Assumed: f.Unknown, Bears: ids})
		}
	})
	return found
}

// weights say how much an answer is worth by what waits for it.
var weights = map[rules.Kind]int{rules.Boundary: 4, rules.Contradiction: 1, rules.Decision: 2, rules.Failure: 1, rules.Exposure: 1, rules.Example: 1}

// questions are the fields that rules wait for: the most useful first, then in
// the order of the description. A field that another answer has made pointless
// is left out.
func (c *considered) questions() []Open {
	waiting, worth := map[string][]string{}, map[string]int{}
	for i := range c.all {
		v := &c.all[i]
		if v.Truth != rules.Unknown || weights[v.rule.Kind] == 0 {
			continue
		}
		for _, path := range v.Missing {
			path = workload.Generic(path)
			if !slices.Contains(waiting[path], v.rule.ID) {
				waiting[path] = append(waiting[path], v.rule.ID)
				worth[path] += weights[v.rule.Kind]
			}
		}
	}
	open := []Open{}
	eachField(func(f workload.Field) {
		if len(waiting[f.Path]) > 0 && c.worthAsking(f) {
			open = append(open, Open{Field: f.Path, Ask: f.Ask, Why: f.Why, Costs: f.Unknown, Rules: waiting[f.Path]})
		}
	})
	slices.SortStableFunc(open, func(a, b Open) int { return cmp.Compare(worth[b.Field], worth[a.Field]) })
	return open
}

// nevertheless are the questions that would decide whether something of ours
// is right beyond a boundary all the same.
func (c *considered) nevertheless() []Open {
	open := []Open{}
	for _, v := range c.fired(rules.Boundary) {
		if v.rule.NeverthelessIf == nil {
			continue
		}
		for _, path := range v.rule.NeverthelessIf.Eval(c.w).Missing {
			f, _ := workload.Lookup(path)
			open = append(open, Open{Field: path, Ask: f.Ask, Why: f.Why, Costs: f.Unknown, Rules: []string{v.rule.ID}})
		}
	}
	return open
}

// worthAsking is false of a field whose precondition has another value.
func (c *considered) worthAsking(f workload.Field) bool {
	if f.If == nil {
		return true
	}
	on := c.w.Get(f.If.Path)
	return !on.Known || on.Text == f.If.Value
}

func eachField(visit func(workload.Field)) {
	for _, s := range workload.Sections() {
		for _, f := range s.Fields {
			visit(f)
		}
	}
}
