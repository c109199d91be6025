package rules

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mainstemdb/mainstem/advise/workload"
)

func said(t *testing.T, r *Rule, s Said) *workload.Workload {
	t.Helper()
	w, err := s.Workload()
	if err != nil {
		t.Fatalf("%s: %v", r.ID, err)
	}
	return w
}

// TestEveryConditionDecides runs the example of each rule, and beside it one
// counter-example for each IF and AND: the one condition is refuted, the
// others hold, and the rule does not fire.
func TestEveryConditionDecides(t *testing.T) {
	conditions := 0
	for _, r := range All() {
		if f := r.Eval(said(t, &r, r.Fires)); f.Truth != True {
			t.Errorf("%s: its example gives %s; missing %v", r.ID, f.Truth, f.Missing)
		}
		if len(r.CounterExamples) != len(r.When) {
			t.Errorf("%s has %d conditions and %d counter-examples", r.ID, len(r.When), len(r.CounterExamples))
			continue
		}
		for i, but := range r.CounterExamples {
			conditions++
			w := said(t, &r, r.Fires.But(but))
			for j := range r.When {
				want := True
				if j == i {
					want = False
				}
				if got := r.When[j].Eval(w).Truth; got != want {
					t.Errorf("%s: counter-example %d makes condition %d %s, want %s", r.ID, i+1, j+1, got, want)
				}
			}
			if f := r.Eval(w); f.Truth != False {
				t.Errorf("%s: counter-example %d gives %s", r.ID, i+1, f.Truth)
			}
		}
	}
	if conditions < 100 {
		t.Errorf("%d conditions: this does not see the rules", conditions)
	}
}

// TestEveryAlternativeDecides: for each part of an any or a first there is a workload
// that fires the rule by this part alone.
func TestEveryAlternativeDecides(t *testing.T) {
	for _, r := range All() {
		for i := range r.When {
			for j := range slices.Concat(r.When[i].Any, r.When[i].First) {
				if !firesByOne(t, &r, i, j) {
					t.Errorf("%s: nothing fires it by alternative %d of condition %d alone", r.ID, j+1, i+1)
				}
			}
		}
	}
}

func firesByOne(t *testing.T, r *Rule, i, j int) bool {
	for _, also := range append([]Said{{}}, r.AlsoFires...) {
		w := said(t, r, r.Fires.But(also))
		alone := r.Eval(w).Truth == True
		parts := slices.Concat(r.When[i].Any, r.When[i].First)
		for k := range parts {
			alone = alone && (parts[k].Eval(w).Truth == True) == (k == j)
		}
		if alone {
			return true
		}
	}
	return false
}

// TestUnknownIsNeitherTrueNorFalse takes out of each example what one condition
// rests on: the rule is then open, and says what it lacks.
func TestUnknownIsNeitherTrueNorFalse(t *testing.T) {
	for _, r := range All() {
		for i := range r.When {
			c := &r.When[i]
			if asksForKnowledge(c) {
				continue
			}
			less := maps.Clone(r.Fires)
			maps.DeleteFunc(less, func(path, _ string) bool {
				return slices.Contains(c.Fields(), workload.Generic(path)) || c.Some != "" && strings.HasPrefix(path, c.Some+"[")
			})
			f := c.Eval(said(t, &r, less))
			if f.Truth != Unknown || len(f.Missing) == 0 {
				t.Errorf("%s: without %v condition %d is %s", r.ID, c.Fields(), i+1, f.Truth)
			}
		}
		if f := r.Eval(new(workload.Workload)); f.Truth == True && len(r.When) > 0 && r.Kind != Question {
			t.Errorf("%s fires on a workload that says nothing", r.ID)
		}
	}
}

func asksForKnowledge(c *Condition) (asks bool) {
	c.walk("", func(leaf *Condition, _ string) { asks = asks || leaf.Open != nil })
	return asks
}

// TestRulesAreWhole holds each rule to what its kind promises.
func TestRulesAreWhole(t *testing.T) {
	seen := map[string]bool{}
	count := map[Kind]int{}
	for _, r := range All() {
		count[r.Kind]++
		if seen[r.ID] || !regexp.MustCompile(`^[a-z-]+$`).MatchString(r.ID) {
			t.Errorf("%s is there twice, or is no plain name", r.ID)
		}
		seen[r.ID] = true
		if r.Title == "" || r.Decide == "" || r.Reason == "" || len(r.Source) == 0 {
			t.Errorf("%s lacks title, decision, reason or source", r.ID)
		}
		for _, lack := range lacks(&r) {
			t.Errorf("%s (%s) lacks %s", r.ID, r.Kind, lack)
		}
		for i := range r.When {
			if asksForKnowledge(&r.When[i]) && slices.Contains([]Kind{Decision, Failure, Exposure, Contradiction, Boundary}, r.Kind) {
				t.Errorf("%s decides on whether something is known", r.ID)
			}
		}
		for _, ref := range references(&r) {
			if _, ok := Lookup(ref); !ok {
				t.Errorf("%s refers to %s, which is no rule", r.ID, ref)
			}
		}
		for _, path := range append(slices.Clone(r.InformedBy), r.Field) {
			if path != "" && !isField(path) {
				t.Errorf("%s refers to %s, which is no field", r.ID, path)
			}
		}
		for _, a := range slices.Concat(r.Prevents, r.Remains, r.Opens) {
			if !IsAnomaly(a) {
				t.Errorf("%s speaks of %s, which is no anomaly", r.ID, a)
			}
		}
	}
	for kind, want := range map[Kind]int{Decision: 12, Failure: 5, Example: 2, Gate: 10, Boundary: 4, Delegation: 4, Principle: 4, Always: 6, Never: 4, Prefer: 5, Pattern: 5, Question: 5, Move: 6, FAQ: 2} {
		if count[kind] < want {
			t.Errorf("%d rules of kind %s; the guides have %d", count[kind], kind, want)
		}
	}
}

// lacks are the parts that a rule of this kind has, and this one has not.
func lacks(r *Rule) (parts []string) {
	need := func(has bool, part string) {
		if !has {
			parts = append(parts, part)
		}
	}
	switch r.Kind {
	case Decision:
		need(len(r.Instead) > 0, "alternatives")
		need(len(r.Costs) > 0 && len(r.Verify) > 0, "costs or checks")
		need(len(r.Pays) == len(r.Costs) && !slices.ContainsFunc(r.Pays, unnamed), "a kind of each cost")
		need((len(r.Built) > 0) != (r.Unbuilt != ""), "what implements it, or what to use instead")
	case Failure:
		need(len(r.Symptoms) > 0 && len(r.Causes) > 0 && r.Detect != "", "symptoms, causes or detection")
		need(len(r.Fixes) == 3 && r.Fixes[0].When == "immediate" && r.Fixes[2].When == "long-term", "three ranked fixes")
	case Exposure:
		need(len(r.Fixes) > 0 && len(r.Verify) > 0, "fixes or checks")
	case Contradiction:
		need(len(r.Choose) > 1 && len(r.Bears) > 0, "choices, or decisions that it bears on")
	case Boundary:
		need(r.TurnTo != "", "what to use")
	case Delegation:
		need(r.TurnTo != "" && r.Unanswered != "", "what is not answered, and where to turn")
	case Gate:
		need(r.Field != "" && len(r.Verify) > 0, "its field, or checks")
		need(r.Measure != "" && r.Threshold != "", "what is measured, and what it may be")
	case Example, Principle, Always, Never, Prefer, Pattern, Question, Move, FAQ:
		need(r.Kind == Example || len(r.See) > 0, "the rules that decide")
	}
	return parts
}

// unnamed is a kind of costs that is none.
func unnamed(kind string) bool {
	return !slices.ContainsFunc(CostKinds, func(k CostKind) bool { return k.Name == kind })
}

// references are the other rules that a rule names.
func references(r *Rule) []string {
	refs := slices.Concat(r.Rivals, r.See, r.Bears)
	for _, a := range r.Instead {
		if a.Rule != "" {
			refs = append(refs, a.Rule)
		}
	}
	for _, f := range r.Fixes {
		if f.Rule != "" {
			refs = append(refs, f.Rule)
		}
	}
	return refs
}

// TestRivalsKnowEachOther: rivalry goes both ways.
func TestRivalsKnowEachOther(t *testing.T) {
	for _, r := range All() {
		for _, id := range r.Rivals {
			if rival, _ := Lookup(id); !slices.Contains(rival.Rivals, r.ID) {
				t.Errorf("%s names %s as a rival, and not the other way round", r.ID, id)
			}
		}
	}
}

// TestBoundaryCases runs the cases on both sides of each boundary.
func TestBoundaryCases(t *testing.T) {
	cases := 0
	for _, r := range All() {
		for _, c := range r.Cases {
			cases++
			if got := r.Eval(said(t, &r, c.Workload)).Truth == True; got != c.TurnedAway {
				t.Errorf("%s, %s: turned away %t, want %t", r.ID, c.What, got, c.TurnedAway)
			}
		}
	}
	if cases < 4 {
		t.Errorf("%d cases", cases)
	}
}

// TestThresholds: each is used by a rule or by the answer, and is what it says.
func TestThresholds(t *testing.T) {
	used := map[string]bool{"confidence_high": true, "confidence_medium": true}
	for _, r := range All() {
		for _, th := range r.Thresholds() {
			used[th.Name] = true
		}
	}
	for _, th := range Thresholds() {
		if !used[th.Name] || th.Means == "" {
			t.Errorf("threshold %s is used by no rule, or does not say what it means", th.Name)
		}
	}
	for name, want := range map[string]float64{"tail_latency": 0.5, "replication_lag": 1, "cache_hit_rate": 80} {
		if th, ok := LookupThreshold(name); !ok || th.Amount() != want {
			t.Errorf("%s is %v, and the guide says %v", name, th.Amount(), want)
		}
	}
}
