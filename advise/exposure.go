package advise

import (
	"cmp"
	"slices"
	"strings"

	"github.com/mainstemdb/mainstem/advise/rules"
	"github.com/mainstemdb/mainstem/advise/workload"
)

// exposures are the failure modes and weaknesses that the architecture in
// place has: first those that let in what must never happen.
func (c *considered) exposures() (found []Exposure) {
	for _, v := range c.fired(rules.Failure, rules.Exposure) {
		r := &v.rule
		found = append(found, Exposure{
			Rule: r.ID, Kind: r.Kind, Title: r.Title, Decide: r.Decide, Reason: r.Reason, Because: v.Facts, For: c.elements(v.Facts),
			Opens: r.Opens, Symptoms: r.Symptoms, Detect: r.Detect, Fixes: c.undone(r.Fixes), Verify: r.Verify, Source: r.Source,
		})
	}
	slices.SortStableFunc(found, func(a, b Exposure) int { return cmp.Compare(c.worth(b.Opens), c.worth(a.Opens)) })
	return found
}

// undone are the remedies that are not there already.
func (c *considered) undone(fixes []rules.Fix) []rules.Fix {
	left := []rules.Fix{}
	for _, f := range fixes {
		if f.Done == nil || f.Done.Eval(c.w).Truth != rules.True {
			left = append(left, rules.Fix{When: f.When, Do: f.Do, Rule: f.Rule})
		}
	}
	return left
}

// anomalies are what the exposures let in, in the order of the description.
func (c *considered) anomalies() []Anomaly {
	return c.named(func(v *verdict) []string { return v.rule.Opens }, nil, rules.Failure, rules.Exposure)
}

// remaining are the anomalies that decisions leave and none of them prevents.
func (c *considered) remaining() []Anomaly {
	prevented := map[string]bool{}
	for _, v := range c.fired(rules.Decision, rules.Example) {
		for _, a := range v.rule.Prevents {
			prevented[a] = true
		}
	}
	return c.named(func(v *verdict) []string { return v.rule.Remains }, prevented, rules.Decision)
}

// named collects anomalies of fired rules, with the rules.
func (c *considered) named(of func(*verdict) []string, but map[string]bool, kinds ...rules.Kind) (found []Anomaly) {
	field, _ := workload.Lookup("never[].anomaly")
	for _, o := range field.Options {
		a := Anomaly{Name: o.Name, Means: o.Means}
		for _, v := range c.fired(kinds...) {
			if slices.Contains(of(v), o.Name) {
				a.By = append(a.By, v.rule.ID)
			}
		}
		if len(a.By) > 0 && !but[o.Name] {
			found = append(found, a)
		}
	}
	return found
}

// speeds order remedies.
var speeds = []string{"immediate", "short-term", "long-term"}

// changes are the remedies of all exposures, each once: by speed, and within
// one speed in the order of the exposures.
func (c *considered) changes() (found []Change) {
	for _, e := range c.exposures() {
		for _, f := range e.Fixes {
			same := func(x Change) bool { return x.When == f.When && x.Do == f.Do }
			if i := slices.IndexFunc(found, same); i >= 0 {
				found[i].For = append(found[i].For, e.Rule)
				continue
			}
			found = append(found, Change{When: f.When, Do: f.Do, For: []string{e.Rule}, Rule: f.Rule})
		}
	}
	slices.SortStableFunc(found, func(a, b Change) int {
		return cmp.Compare(slices.Index(speeds, a.When), slices.Index(speeds, b.When))
	})
	return found
}

// unclear are the exposures that cannot be ruled out, if anything was said
// about an architecture at all.
func (c *considered) unclear() (found []Unclear) {
	described := slices.ContainsFunc(c.w.Known(), func(path string) bool {
		return strings.HasPrefix(path, "architecture.") || strings.HasPrefix(path, "observed.")
	})
	if !described {
		return nil
	}
	for _, v := range c.are(rules.Unknown, rules.Failure, rules.Exposure) {
		found = append(found, Unclear{Rule: v.rule.ID, Title: v.rule.Title, Missing: v.Missing})
	}
	return found
}
