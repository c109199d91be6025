package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/mainstemdb/mainstem/bench/internal/peer"
	"github.com/mainstemdb/mainstem/pg"
)

// The rows of the scenarios of package pg.

// yardstick is the system that requests are compared with.
const yardstick = "handwritten"

func requestRows(o *options, sc *scenario) (rows []row, missing []Missing) {
	rows, missing = systemRows(o, sc, sc.kinds)
	for i := range rows {
		r := &rows[i]
		r.name = fmt.Sprint(r.system, r.job.Clients)
		if r.system != yardstick {
			r.against = fmt.Sprint(yardstick, r.job.Clients)
		}
	}
	return rows, missing
}

func relayRows(o *options, sc *scenario) ([]row, []Missing) {
	r := o.row("pg.Relay", sc.name, "relay", nil, 1)
	r.job.Fill = o.fill
	return []row{r}, o.apart()
}

// pollings are how often relays ask in pg-delay, where they do not listen.
var pollings = []time.Duration{pg.DefaultPoll, 100 * time.Millisecond}

func delayRows(o *options, sc *scenario) (rows []row, missing []Missing) {
	for _, rate := range o.rates {
		r := o.row("pg.Relay", sc.name, "delay", nil, slices.Max(o.clients))
		r.job.Rate = rate
		listening := r
		listening.system, listening.job.Listen = "pg.Relay, LISTEN", true
		rows = append(rows, listening)
		for _, poll := range pollings {
			asking := r
			asking.system, asking.job.Poll = fmt.Sprintf("pg.Relay, every %s", poll), poll
			rows = append(rows, asking)
		}
	}
	return rows, o.apart()
}

// What retain keeps.
const (
	keepRequests = "requests"
	keepStaged   = "staged"
	keepNumbered = "numbered"
)

func backlogRows(o *options, sc *scenario) (rows []row, missing []Missing) {
	for _, w := range []struct{ what, system, task string }{
		{keepRequests, "pg.Run, requests kept", "closed"},
		{keepStaged, "pg.Run, events not numbered", "closed"},
		{keepNumbered, "pg.Relay, events kept", "relay"},
	} {
		for _, n := range append([]int{0}, o.keys...) {
			r := o.row("pg.Run", sc.name, w.task, []peer.Kind{peer.Request}, slices.Max(o.clients))
			r.system, r.name = w.system, fmt.Sprint(w.what, n)
			r.job.Retain, r.job.Rows, r.job.Fill = w.what, n, o.fill
			r.job.Database, r.job.Keep = fmt.Sprintf("%s%d", w.what, n), true
			before := r.job
			before.Task = "retain"
			r.before = &before
			if n > 0 {
				r.against = fmt.Sprint(w.what, 0)
			}
			rows = append(rows, r)
		}
	}
	return rows, o.apart()
}

func bloatRows(o *options, sc *scenario) ([]row, []Missing) {
	r := o.row("pg.Run", sc.name, "bloat", nil, slices.Max(o.clients))
	r.system, r.job.Rate, r.job.Slice = "pg.Run, pg.Relay", o.rates[0], min(time.Minute, r.job.For/30)
	return []row{r}, o.apart()
}
