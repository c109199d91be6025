package rules

import (
	"fmt"
	"maps"
	"slices"

	"github.com/mainstemdb/mainstem/advise/workload"
)

// none says of a list that it has no elements.
const none = "none"

// Workload is the workload that says exactly this.
func (s Said) Workload() (*workload.Workload, error) {
	w := new(workload.Workload)
	var empty []string
	for _, path := range slices.Sorted(maps.Keys(s)) {
		if s[path] == none && hasFields(path) {
			empty = append(empty, path)
			continue
		}
		if err := w.Set(path, s[path]); err != nil {
			return nil, fmt.Errorf("rules: %w", err)
		}
	}
	for _, list := range empty { // last: a counter-example takes away elements that the example has
		if err := w.SetNone(list); err != nil {
			return nil, fmt.Errorf("rules: %w", err)
		}
	}
	return w, nil
}

// But is the same with some of it said differently.
func (s Said) But(other Said) Said {
	all := maps.Clone(s)
	if all == nil {
		all = Said{}
	}
	maps.Copy(all, other)
	return all
}
