package flow

import (
	"cmp"
	"slices"
)

// bus is a vertical line that edges share: those that come from one node, or those that
// go to one.
type bus struct {
	edges    []Edge
	from, to int // the first and the last node, by index
	lane     int // from 0, the one next to the boxes
}

// crowded is how many lanes leave no room for the boxes on a phone.
const crowded = 12

// buses bundles edges so that there are few lines, and gives each the lane nearest to
// the boxes in which nothing else runs: shorter ones first. Where that takes more lanes
// than there is room for there are none.
func buses(edges []Edge) (all []bus, lanes int) {
	out, in := map[int]int{}, map[int]int{}
	for _, e := range edges {
		out[e.From]++
		in[e.To]++
	}
	type hub struct {
		at  int
		out bool
	}
	at := map[hub]int{}
	for _, e := range edges {
		h := hub{e.From, true}
		if in[e.To] > out[e.From] {
			h = hub{e.To, false}
		}
		i, ok := at[h]
		if !ok {
			i = len(all)
			at[h] = i
			all = append(all, bus{from: e.From, to: e.To})
		}
		all[i].edges = append(all[i].edges, e)
		all[i].from, all[i].to = min(all[i].from, e.From), max(all[i].to, e.To)
	}
	slices.SortStableFunc(all, func(a, b bus) int { return cmp.Compare(a.to-a.from, b.to-b.from) })
	for i := range all {
		for slices.ContainsFunc(all[:i], func(b bus) bool {
			return b.lane == all[i].lane && b.from < all[i].to && all[i].from < b.to
		}) {
			if all[i].lane++; all[i].lane == crowded {
				return nil, 0
			}
		}
		lanes = max(lanes, all[i].lane+1)
	}
	return all, lanes
}
