package advise

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/mainstemdb/mainstem/advise/rules"
)

// decisions are the decision rules that fired: first those that prevent what
// must never happen, by what it costs, then by confidence, then in the order of
// the data.
func (c *considered) decisions() []Decision {
	found := []Decision{}
	for _, v := range c.fired(rules.Decision) {
		r := &v.rule
		found = append(found, Decision{
			Rule: r.ID, Title: r.Title, Decide: r.Decide, Reason: r.Reason, Confidence: c.confidence(v),
			Because: v.Facts, For: c.about(v), Beside: c.beside(r), Instead: c.alternatives(r),
			Prevents: r.Prevents, Remains: r.Remains, Costs: r.Costs, Pays: r.Pays, Verify: r.Verify, Built: r.Built, Unbuilt: r.Unbuilt,
			Thresholds: r.Thresholds(), Source: r.Source,
		})
	}
	slices.SortStableFunc(found, func(a, b Decision) int {
		return cmp.Or(
			cmp.Compare(c.worth(b.Prevents), c.worth(a.Prevents)),
			cmp.Compare(a.Confidence.Level.order(), b.Confidence.Level.order()),
			cmp.Compare(b.Confidence.Known*a.Confidence.Of, a.Confidence.Known*b.Confidence.Of),
		)
	})
	for i := range found {
		found[i].Rank = i + 1
	}
	return found
}

// costWeights rank what happens when a wish is not kept. One whose cost is not
// known counts as trust.
var costWeights = map[string]int{"harm": 4, "money": 3, "trust": 2, "annoyance": 1}

// worth is the weight of the wishes that some anomalies stand for.
func (c *considered) worth(anomalies []string) (sum int) {
	n, _ := c.w.Count("never")
	for i := range n {
		anomaly := c.w.Get(fmt.Sprintf("never[%d].anomaly", i))
		if !anomaly.Known || !slices.Contains(anomalies, anomaly.Text) {
			continue
		}
		weight, ok := costWeights[c.w.Get(fmt.Sprintf("never[%d].cost", i)).Text]
		if !ok {
			weight = costWeights["trust"]
		}
		sum += weight
	}
	return sum
}

// beside are the rivals of a rule that fire as well.
func (c *considered) beside(r *rules.Rule) (ids []string) {
	for _, id := range r.Rivals {
		if c.byID[id].Truth == rules.True {
			ids = append(ids, id)
		}
	}
	return ids
}

// about are the elements that a decision is about, by its own account or by
// the facts that fired it.
func (c *considered) about(v *verdict) []string {
	facts := slices.Clone(v.Facts)
	if v.rule.About != nil {
		if f := v.rule.About.Eval(c.w); f.Truth == rules.True {
			facts = append(facts, f.Facts...)
		}
	}
	return c.elements(facts)
}

// elements are the names of the list elements that facts are about: operations
// by name, or by number if they have none.
func (c *considered) elements(facts []rules.Fact) (names []string) {
	for _, f := range facts {
		at := strings.IndexByte(f.Path, ']')
		if at < 0 {
			continue
		}
		element := f.Path[:at+1]
		name := element
		if v := c.w.Get(element + ".name"); v.Known {
			name = v.Text
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// strength orders alternatives: a rule that fires as well, one that may, then
// what is no rule, then rules by how many of their conditions hold.
func (c *considered) strength(a rules.Alternative) int {
	if a.Rule == "" {
		return 500
	}
	v := c.byID[a.Rule]
	held := 0
	for _, f := range v.conditions {
		if f.Truth == rules.True {
			held++
		}
	}
	share := 100 * held / max(1, len(v.conditions))
	switch v.Truth {
	case rules.True:
		return 1000
	case rules.Unknown:
		return 600 + share
	case rules.False:
	}
	return 400 + 2*share // above what is no rule if more than half holds
}

// alternatives are the two strongest.
func (c *considered) alternatives(r *rules.Rule) []Alternative {
	all := slices.Clone(r.Instead)
	slices.SortStableFunc(all, func(a, b rules.Alternative) int { return cmp.Compare(c.strength(b), c.strength(a)) })
	found := []Alternative{}
	for _, a := range all[:min(2, len(all))] {
		alt := Alternative{Rule: a.Rule, Name: a.Name, WhyNot: a.WhyNot}
		if a.Rule != "" {
			v := c.byID[a.Rule]
			alt.Name, alt.Lacks = v.rule.Title, lacks(v)
		}
		found = append(found, alt)
	}
	return found
}

// lacks says in words which conditions of a rule do not hold or are not known.
func lacks(v *verdict) (words []string) {
	for i, f := range v.conditions {
		if f.Truth == rules.True {
			continue
		}
		prefix := "not so: "
		if f.Truth == rules.Unknown {
			prefix = "not known: "
		}
		words = append(words, prefix+v.rule.When[i].Words())
	}
	return words
}
