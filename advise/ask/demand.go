package ask

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/mainstemdb/mainstem/advise/rules"
	"github.com/mainstemdb/mainstem/advise/workload"
)

// weights are what an answer is worth to a rule that waits for nothing else. A
// rule that waits for several answers shares its weight among them, so that
// what completes a rule comes before what begins one. Boundaries come before
// all else: beyond one, nothing else is asked.
var weights = map[rules.Kind]int{
	rules.Boundary: 3000, rules.Decision: 240, rules.Contradiction: 120, rules.Failure: 120, rules.Exposure: 120, rules.Example: 120,
	rules.Delegation: 60, rules.Gate: 60,
}

const (
	weightGuidance = 30 // of principles, patterns and the like
	weightInforms  = 40 // of what raises the confidence of a rule, or says what it is about
)

// rankedBy are fields by which an answer is ranked, whatever rules read.
var rankedBy = []string{"never[].anomaly", "never[].cost"}

// table is read only.
var table = sync.OnceValue(rules.All)

// demand is who waits for an answer, and how much it is worth to them.
type demand struct {
	rules []string
	worth int
}

// demands are the paths that rules wait for and nobody has answered. Elements of
// lists have their index; a list of which nothing is known is there by its fields
// without one.
type demands map[string]*demand

func demandsOf(w *workload.Workload) demands {
	d := demands{}
	turned := false
	for i := range table() {
		r := &table()[i]
		if r.Kind == rules.Boundary && r.Eval(w).Truth == rules.True {
			turned = true
			if r.NeverthelessIf != nil {
				d.addAll(w, r.ID, weights[rules.Boundary], r.NeverthelessIf.Eval(w).Missing)
			}
		}
	}
	if turned {
		return d // nothing else is decided beyond a boundary
	}
	for i := range table() {
		r := &table()[i]
		weight, ok := weights[r.Kind]
		if !ok {
			weight = weightGuidance
		}
		f := r.Eval(w)
		if f.Truth == rules.Unknown {
			d.addAll(w, r.ID, max(1, weight/len(f.Missing)), f.Missing)
		}
		if f.Truth != rules.False {
			d.addAll(w, r.ID, weightInforms, informing(w, r, f.Truth))
		}
	}
	d.addAll(w, "", weightInforms, rankedBy)
	return d
}

// informing are the fields that bear on a rule without firing it.
func informing(w *workload.Workload, r *rules.Rule, truth rules.Truth) []string {
	paths := slices.Clone(r.InformedBy)
	if r.Field != "" {
		paths = append(paths, r.Field)
	}
	if truth != rules.True {
		return paths
	}
	paths = append(paths, r.Pending(w)...)
	if r.About != nil {
		paths = append(paths, r.About.Fields()...)
	}
	for _, f := range r.Fixes {
		if f.Done != nil {
			paths = append(paths, f.Done.Fields()...)
		}
	}
	return paths
}

// addAll notes that a rule waits for some fields, in each element of their lists.
func (d demands) addAll(w *workload.Workload, rule string, worth int, paths []string) {
	for _, path := range paths {
		list, field, inList := strings.Cut(path, "[].")
		n, known := w.Count(list)
		if !inList || !known {
			d.add(w, rule, worth, path)
			continue
		}
		for i := range n {
			d.add(w, rule, worth, fmt.Sprintf("%s[%d].%s", list, i, field))
		}
	}
}

func (d demands) add(w *workload.Workload, rule string, worth int, path string) {
	if w.Said(path) || !pointful(w, path) {
		return
	}
	one := d[path]
	if one == nil {
		one = &demand{}
		d[path] = one
	}
	if rule != "" && !slices.Contains(one.rules, rule) {
		one.rules = append(one.rules, rule)
	}
	one.worth += worth
}

// pointful is false of a field that is worth asking only when another has a
// value that it has not.
func pointful(w *workload.Workload, path string) bool {
	f, ok := workload.Lookup(path)
	if !ok || f.If == nil {
		return ok
	}
	on := w.Get(f.If.Path)
	return on.Known && on.Text == f.If.Value
}

// below are the demands of which the path begins with a prefix, as one: all who
// wait, and the most that one of them is worth.
func (d demands) below(prefix string) (all demand) {
	for _, path := range sortedKeys(d) {
		one := d[path]
		if !strings.HasPrefix(path, prefix) {
			continue
		}
		all.worth = max(all.worth, one.worth)
		for _, r := range one.rules {
			if !slices.Contains(all.rules, r) {
				all.rules = append(all.rules, r)
			}
		}
	}
	return all
}
