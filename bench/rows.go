package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/mainstemdb/mainstem/bench/internal/peer"
)

// The rows of scenarios that are not every system at every number of clients.

// bulk is how many keys a system may be asked to hold that has no way to load many.
const bulk = 200_000

// Rows that others are compared with.
const (
	besideCounter = "mainstem, cas"
	besideWriter  = "mainstem, beside a writer"
	oneCaller     = "mainstem, one caller"
)

// counterRows has Mainstem's own cas beside the counters.
func counterRows(o *options, sc *scenario) (rows []row, missing []Missing) {
	rows, missing = systemRows(o, sc, sc.kinds)
	for _, clients := range o.clients {
		r := o.row("mainstem", sc.name, "closed", []peer.Kind{peer.CAS}, clients)
		r.system = besideCounter
		rows = append(rows, r)
	}
	return rows, missing
}

func getRows(o *options, sc *scenario) (rows []row, missing []Missing) {
	able, missing := o.able(sc.kinds)
	for _, keys := range o.keys {
		for _, clients := range o.clients {
			for _, name := range able {
				if keys > bulk && name != "mainstem" && name != "bbolt" {
					missing = append(missing, Missing{System: name, Why: fmt.Sprintf("loading %d keys one by one takes too long", keys)})
					continue
				}
				r := o.row(name, fmt.Sprintf("get-%d", keys), "closed", sc.kinds, clients)
				r.job.Keys = keys
				rows = append(rows, r)
				if name == "mainstem" {
					r.job.Beside, r.system = true, besideWriter
					rows = append(rows, r)
				}
			}
		}
	}
	return rows, missing
}

// openRows has one caller who waits for each answer beside the arrivals.
func openRows(o *options, sc *scenario) (rows []row, missing []Missing) {
	able, missing := o.able(sc.kinds)
	if slices.Contains(able, "floor-state") {
		able = slices.DeleteFunc(able, func(name string) bool { return name == "floor-state" })
		missing = append(missing, Missing{System: "floor-state", Why: "nobody arrives there: it has no callers"})
	}
	one := o.row("mainstem", sc.name, "closed", sc.kinds, 1)
	one.system = oneCaller
	rows = append(rows, one)
	for _, rate := range o.rates {
		for _, name := range able {
			r := o.row(name, sc.name, "open", sc.kinds, slices.Max(o.clients))
			r.job.Rate = rate
			rows = append(rows, r)
		}
	}
	return rows, missing
}

func overloadRows(o *options, sc *scenario) (rows []row, missing []Missing) {
	for _, clients := range o.clients {
		rows = append(rows, o.row("mainstem-server", sc.name, "closed", []peer.Kind{peer.CAS}, clients))
	}
	r := o.row("mainstem-server", sc.name+"-beyond", "overload", nil, min(512, slices.Max(o.clients)))
	return append(rows, r), o.apart()
}

func callerRows(o *options, sc *scenario) (rows []row, missing []Missing) {
	for _, clients := range o.clients {
		made := o.row("mainstem", sc.name, "closed", sc.kinds, clients)
		own := o.row("mainstem", sc.name+"-own", "closed", sc.kinds, clients)
		own.job.CallerIDs, own.system = true, "mainstem, callers' IDs"
		rows = append(rows, made, own)
	}
	return rows, o.apart()
}

func feedRows(task string) func(*options, *scenario) ([]row, []Missing) {
	return func(o *options, sc *scenario) ([]row, []Missing) {
		r := o.row("mainstem", sc.name, task, nil, 1)
		r.job.Fill = o.fill
		rows := []row{r}
		if task == "feed" {
			far := o.row("mainstem-server", sc.name, task, nil, 1)
			far.job.Fill = o.fill
			rows = append(rows, far)
		}
		return rows, o.apart()
	}
}

func idleRows(o *options, sc *scenario) (rows []row, missing []Missing) {
	for _, clients := range o.clients {
		rows = append(rows, o.row("mainstem-server", sc.name, "idle-feeds", nil, clients))
	}
	return rows, o.apart()
}

func replayRows(o *options, sc *scenario) ([]row, []Missing) {
	r := o.row("mainstem", sc.name, "replay", nil, 1)
	before := r.job
	before.Task, before.Fill = "die", o.fill
	r.before = &before
	anew := r
	anew.system, anew.job.Anew, anew.before = "mainstem, its state removed", true, nil
	floor := o.row("floor-state", sc.name, "floor-state", nil, slices.Max(o.clients))
	return []row{r, anew, floor}, o.apart()
}

func growthRows(o *options, sc *scenario) ([]row, []Missing) {
	r := o.row("mainstem", sc.name, "growth", sc.kinds, slices.Max(o.clients))
	r.job.Steps, r.job.OneVersion = o.keys, sc.name == "memory"
	return []row{r}, o.apart()
}

func soakRows(o *options, sc *scenario) ([]row, []Missing) {
	r := o.row("mainstem", sc.name, "soak", sc.kinds, slices.Max(o.clients))
	r.job.Slice = min(time.Minute, r.job.For/10)
	return []row{r}, o.apart()
}

func floorRows(floor string) func(*options, *scenario) ([]row, []Missing) {
	return func(o *options, sc *scenario) ([]row, []Missing) {
		with := *o
		with.peers = []string{floor}
		rows, _ := systemRows(&with, sc, sc.kinds)
		var missing []Missing
		for _, m := range o.apart() {
			if m.System != floor {
				missing = append(missing, m)
			}
		}
		return rows, missing
	}
}
