package rules

import (
	"fmt"

	"github.com/mainstemdb/mainstem/advise/workload"
)

// pending are the fields that would decide the unknown parts of a condition.
func (c *Condition) pending(w *workload.Workload, element string) (paths []string) {
	switch {
	case len(c.Any) > 0:
		for i := range c.Any {
			paths = append(paths, c.Any[i].pending(w, element)...)
		}
		return paths
	case len(c.All) > 0:
		return pendingAll(w, element, c.All)
	case c.Not != nil:
		return c.Not.pending(w, element)
	case c.Some != "":
		return c.pendingElements(w)
	}
	return c.eval(w, element).Missing // of first: what is known already has decided
}

// pendingAll are those of a conjunction, unless a part has refuted it.
func pendingAll(w *workload.Workload, element string, parts []Condition) (paths []string) {
	for i := range parts {
		if parts[i].eval(w, element).Truth == False {
			return nil
		}
		paths = append(paths, parts[i].pending(w, element)...)
	}
	return paths
}

// pendingElements are those of each element of a list; of a list of which
// nothing is known, all fields that are asked for.
func (c *Condition) pendingElements(w *workload.Workload) (paths []string) {
	n, known := w.Count(c.Some)
	if !known {
		return c.Fields()
	}
	for i := range n {
		paths = append(paths, pendingAll(w, fmt.Sprintf("%s[%d]", c.Some, i), c.Where)...)
	}
	return paths
}
