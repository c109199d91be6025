package main

import (
	"fmt"
	"slices"
)

// The rows of the scenarios of clusters.

// onEngines are the systems whose log other nodes can share.
var onEngines = []string{"mainstem-on-postgres", "mainstem-on-jetstream"}

func levelRows(o *options, sc *scenario) (rows []row, missing []Missing) {
	for _, system := range append([]string{"mainstem"}, onEngines...) {
		rows = append(rows, o.row(system, sc.name, "levels", nil, slices.Max(o.clients)))
	}
	return rows, o.apart()
}

// partitionCounts are the numbers of partitions that are measured.
var partitionCounts = []int{1, 4, 16}

func partitionRows(o *options, sc *scenario) (rows []row, missing []Missing) {
	for _, system := range onEngines {
		for _, n := range partitionCounts {
			r := o.row(system, fmt.Sprint(sc.name, n), "closed", sc.kinds, slices.Max(o.clients))
			r.job.Partitions, r.name = n, fmt.Sprint(system, n)
			r.system = fmt.Sprintf("%s, %d partitions", system, n)
			if n > 1 {
				r.against = fmt.Sprint(system, 1)
			}
			rows = append(rows, r)
		}
	}
	return rows, o.apart()
}

func nodeRows(task string) func(*options, *scenario) ([]row, []Missing) {
	return func(o *options, sc *scenario) (rows []row, missing []Missing) {
		for _, system := range onEngines {
			r := o.row(system, sc.name, task, nil, slices.Max(o.clients))
			r.job.Fill = o.fill
			rows = append(rows, r)
		}
		return rows, o.apart()
	}
}
