package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/mainstemdb/mainstem/bench/internal/load"
)

// pick says which rows an aim is about. What is zero is any, but of level, which a
// row has or has not.
type pick struct {
	system  string
	level   string
	clients int // of the row that is compared with: as many as the other one has, unless it is anyClients
	keys    int // clients have equal parts of them, so a few are left out
	rows    int // rows kept before; noRows is none
	rate    float64
	best    bool // of several the one that did most
}

const (
	anyClients = -1
	noRows     = -1
)

// gauge is what is measured of a row: one number for each round where there is one,
// or a single one of all rounds.
type gauge struct {
	name string
	unit string
	of   func(r *Result) []float64
	// lacks says what it means that a row has none. Where that is empty, the row says
	// nothing of the aim.
	lacks string
}

var (
	rate   = gauge{unit: "/s", of: func(r *Result) []float64 { return r.Rounds }}
	p50    = gauge{name: "p50 of ", unit: " µs", of: func(r *Result) []float64 { return only(r.P50) }}
	p99    = gauge{name: "p99 of ", unit: " µs", of: func(r *Result) []float64 { return only(r.P99) }}
	p999   = gauge{name: "p999 of ", unit: " µs", of: func(r *Result) []float64 { return only(r.P999) }}
	perCPU = gauge{name: "operations per second of processor time of ", of: func(r *Result) []float64 { return some(r.PerCPUSecond) }}
	// overBudget is memory beyond what was configured.
	overBudget = gauge{name: "peak RSS beyond the budget of ", unit: " MiB", of: func(r *Result) []float64 {
		if r.PeakRSS == 0 {
			return nil
		}
		return []float64{float64(r.PeakRSS-r.Memory) / (1 << 20)}
	}}
	idleMemory = gauge{name: "memory of idle feeds of ", unit: " MiB", of: func(r *Result) []float64 { return some(float64(r.FeedsHold) / (1 << 20)) }}
	// lastMinute judges only where slices are minutes.
	lastMinute = gauge{name: "last minute by the first of ", of: func(r *Result) []float64 {
		if n := len(r.Slices); r.SliceSeconds == 60 && n > 1 && r.Slices[0] > 0 {
			return []float64{r.Slices[n-1] / r.Slices[0]}
		}
		return nil
	}}
	refusal  = gauge{name: "p99 of refusals of ", unit: " µs", of: func(r *Result) []float64 { return only(r.RefusedP99) }}
	recovery = gauge{name: "until normal again, ", unit: " s", of: func(r *Result) []float64 { return only(r.NormalAfter) }, lacks: notNormal}
	pause    = gauge{name: "longest write pause of ", unit: " µs", of: func(r *Result) []float64 { return only(r.WritePause) }}
	slope    = gauge{name: "growth per turn of the ring, tables and indexes of ", unit: " %", of: func(r *Result) []float64 {
		if r.Growth == nil {
			return nil
		}
		return only(r.Growth.Slope)
	}}
)

func only(f *float64) []float64 {
	if f == nil {
		return nil
	}
	return []float64{*f}
}

func some(f float64) []float64 {
	if f == 0 {
		return nil
	}
	return []float64{f}
}

// aim is what a row is to reach: a number of its own, or one that another row of the
// same run gives.
type aim struct {
	in    string // the scenarios that can judge it
	row   pick
	gauge *gauge // nil is rate
	// One of both is given: times what to has, or in the gauge's unit where to is
	// nil; and with more that much beyond what to has.
	least, most float64
	to          *pick
	more        bool
	by          *gauge // what is looked at of to; nil is gauge
}

// aims are all targets of this project that a run can judge.
var aims = []aim{
	{in: "cas", row: pick{system: "mainstem", clients: 64}, least: 2, to: &pick{system: "bbolt"}},
	{in: "cas", row: pick{system: "mainstem", clients: 512}, least: 2, to: &pick{system: "bbolt"}},
	{in: "cas", row: pick{system: "mainstem", clients: 512}, least: 10, to: &pick{system: "etcd"}},
	{in: "cas floor-state", row: pick{system: "mainstem", clients: 4096}, least: 0.6, to: &pick{system: "floor-state"}},
	{in: "cas floor-sync", row: pick{system: "mainstem", clients: 1}, gauge: &p50, most: 1.3, to: &pick{system: "floor-sync"}},
	{in: "cas floor-sync", row: pick{system: "mainstem", clients: 1}, gauge: &p99, most: 2, to: &pick{system: "floor-sync"}},
	{in: "counter", row: pick{system: "mainstem", clients: 512}, least: 0.8, to: &pick{system: besideCounter}},

	{in: "get", row: pick{system: "mainstem", keys: 10_000}, least: 500_000},
	{in: "get", row: pick{system: "mainstem", keys: 10_000_000}, least: 150_000},
	{in: "get", row: pick{system: besideWriter, keys: 10_000}, least: 250_000},
	{in: "get", row: pick{system: besideWriter, keys: 10_000_000}, least: 75_000},
	{in: "get", row: pick{system: besideWriter, keys: 10_000}, least: 0.5, to: &pick{system: "mainstem", keys: 10_000}},
	{in: "get", row: pick{system: besideWriter, keys: 10_000_000}, least: 0.5, to: &pick{system: "mainstem", keys: 10_000_000}},

	{in: "feed", row: pick{system: "mainstem"}, least: 1_000_000},
	{in: "feed", row: pick{system: "mainstem-server"}, least: 300_000},
	{in: "idle-feeds", row: pick{system: "mainstem-server", clients: 1000}, gauge: &idleMemory, most: 100},
	{in: "open", row: pick{system: "mainstem"}, least: 0.6, to: &pick{system: "floor-state", clients: anyClients}},
	// At most twice as slow.
	{in: "growth", row: pick{system: "mainstem", keys: 10_000_000}, least: 0.5, to: &pick{system: "mainstem", keys: 10_000}},
	{in: "memory", row: pick{system: "mainstem", keys: 10_000_000}, gauge: &overBudget, most: 128},
	{in: "soak", row: pick{system: "mainstem"}, gauge: &lastMinute, least: 0.85},
	{in: "openloop", row: pick{system: "mainstem", rate: 20_000}, gauge: &p99, most: 5, to: &pick{system: oneCaller, clients: 1}, by: &p50},

	{in: "pg-request", row: pick{system: "pg.Run", clients: 64}, least: 0.8, to: &pick{system: yardstick}},
	{in: "pg-request", row: pick{system: "pg.Run", clients: 64}, gauge: &p99, most: 1.3, to: &pick{system: yardstick}},
	{in: "pg-request", row: pick{system: "pg.Begin", clients: 64}, least: 0.8, to: &pick{system: yardstick}},
	{in: "pg-request", row: pick{system: "pg.Begin", clients: 64}, gauge: &p99, most: 1.3, to: &pick{system: yardstick}},
	{in: "pg-request", row: pick{system: "pg.Once", clients: 64}, least: 0.8, to: &pick{system: yardstick}},
	{in: "pg-request", row: pick{system: "pg.Once", clients: 64}, gauge: &p99, most: 1.3, to: &pick{system: yardstick}},
	{in: "pg-relay", row: pick{system: "pg.Relay"}, least: 30_000},
	// 20 ms, and the interval where the relay only asks.
	{in: "pg-delay", row: pick{system: "pg.Relay, LISTEN", rate: 2000}, gauge: &p99, most: 20_000},
	{in: "pg-delay", row: pick{system: "pg.Relay, every 10ms", rate: 2000}, gauge: &p99, most: 30_000},
	{in: "pg-delay", row: pick{system: "pg.Relay, every 100ms", rate: 2000}, gauge: &p99, most: 120_000},
	// No slowdown: less than a tenth is taken for noise.
	{in: "pg-backlog", row: pick{system: "pg.Run, requests kept", rows: 10_000_000}, least: 0.9, to: &pick{system: "pg.Run, requests kept", rows: noRows}},
	{in: "pg-backlog", row: pick{system: "pg.Run, events not numbered", rows: 10_000_000}, least: 0.9, to: &pick{system: "pg.Run, events not numbered", rows: noRows}},
	{in: "pg-backlog", row: pick{system: "pg.Relay, events kept", rows: 10_000_000}, least: 0.9, to: &pick{system: "pg.Relay, events kept", rows: noRows}},
	{in: "pg-bloat", row: pick{system: "pg.Run, pg.Relay"}, gauge: &slope, most: flatBelow},

	{in: "cas", row: pick{system: "mainstem-server", clients: 512}, least: 4, to: &pick{system: "etcd"}},
	{in: "cas", row: pick{system: "mainstem-server", clients: 512}, gauge: &p99, most: 1, to: &pick{system: "etcd"}},
	{in: "cas", row: pick{system: "mainstem-server", clients: 1}, gauge: &p50, most: 150, more: true, to: &pick{system: "mainstem"}},
	{in: "overload", row: pick{system: "mainstem-server", clients: 4096}, least: 0.8, to: &pick{system: "mainstem-server", clients: anyClients, best: true}},
	{in: "overload", row: pick{system: "mainstem-server", level: arriving}, least: 0.8, to: &pick{system: "mainstem-server", level: waiting}},
	{in: "overload", row: pick{system: "mainstem-server", level: arriving}, gauge: &refusal, most: 50_000},
	{in: "overload", row: pick{system: "mainstem-server", level: arriving}, gauge: &recovery, most: 30},

	{in: "cas shared-log", row: pick{system: "mainstem-on-postgres", clients: 256}, least: 6, to: &pick{system: "postgres"}},
	{in: "cas shared-log", row: pick{system: "mainstem-on-jetstream-r3", clients: 256}, least: 3, to: &pick{system: "jetstream-r3"}},
	{in: "cas shared-log", row: pick{system: "mainstem-on-jetstream-r3", clients: 2048}, least: 6, to: &pick{system: "jetstream-r3"}},
	{in: "followers", row: pick{system: "mainstem-on-postgres", level: readsFollow}, gauge: &perCPU, least: 0.8, to: &pick{system: "mainstem-on-postgres", level: readsSingle}},
	{in: "followers", row: pick{system: "mainstem-on-jetstream", level: readsFollow}, gauge: &perCPU, least: 0.8, to: &pick{system: "mainstem-on-jetstream", level: readsSingle}},
	{in: "followers", row: pick{system: "mainstem-on-postgres", level: writesBeside}, gauge: &p99, most: 1.5, to: &pick{system: "mainstem-on-postgres", level: writesAlone}},
	{in: "followers", row: pick{system: "mainstem-on-jetstream", level: writesBeside}, gauge: &p99, most: 1.5, to: &pick{system: "mainstem-on-jetstream", level: writesAlone}},
	// Of five kills p999 is the slowest. On JetStream it is a second and the change of its
	// own leader, which stays where it is here.
	{in: "takeover", row: pick{system: "mainstem-on-postgres"}, gauge: &p999, most: 2_000_000},
	{in: "takeover", row: pick{system: "mainstem-on-jetstream"}, gauge: &p999, most: 1_000_000},
	{in: "move", row: pick{system: "mainstem-on-postgres"}, gauge: &pause, most: 1_000_000},
	{in: "move", row: pick{system: "mainstem-on-jetstream"}, gauge: &pause, most: 1_000_000},
}

// Aim is an aim that the rows of a run have judged.
type Aim struct {
	What    string  `json:"what"`
	Clients int     `json:"clients"`
	Aim     float64 `json:"aim"`
	// Measured is null where a row failed, answered before it had synced, or has no
	// such figure; Why says which.
	Measured *float64 `json:"measured"`
	Reached  bool     `json:"reached"`
	Why      string   `json:"why,omitempty"`
}

// judge holds the rows of a run against the aims that are about them.
func judge(r *Report) []Aim {
	judged := []Aim{}
	for i := range aims {
		if slices.Contains(strings.Fields(aims[i].in), r.Scenario) {
			judged = append(judged, aims[i].judge(r)...)
		}
	}
	return judged
}

func (a *aim) judge(r *Report) (judged []Aim) {
	for i := range r.Failed {
		if f := &r.Failed[i]; a.row.isOf(f) {
			judged = append(judged, a.missed(f.Clients, f.System+" failed: "+f.Error))
		}
	}
	for i := range r.Results {
		row := &r.Results[i]
		failed := func(f Failed) bool { return f.Clients == row.Clients && a.row.isOf(&f) }
		if !a.row.is(row) || slices.ContainsFunc(r.Failed, failed) {
			continue
		}
		to, why := (*Result)(nil), ""
		if a.to != nil {
			if to, why = a.to.other(r, row.Clients); to == nil && why == "" {
				continue // what it is compared with is not in the run
			}
		}
		switch measured := a.measure(row, to); {
		case why != "":
			judged = append(judged, a.missed(row.Clients, why))
		case row.SyncsChecked == false:
			judged = append(judged, a.missed(row.Clients, row.System+" answered before it had synced"))
		case len(measured) > 0:
			m := load.Median(measured)
			rounded := hundredths100(m)
			judged = append(judged, Aim{a.what(), row.Clients, a.bound(), &rounded, a.least > 0 && m >= a.least || a.most > 0 && m <= a.most, ""})
		case a.looksAt().lacks != "":
			judged = append(judged, a.missed(row.Clients, a.looksAt().lacks))
		}
	}
	return judged
}

func (a *aim) missed(clients int, why string) Aim {
	return Aim{What: a.what(), Clients: clients, Aim: a.bound(), Why: why}
}

func (a *aim) bound() float64 { return max(a.least, a.most) }

func (a *aim) looksAt() *gauge {
	if a.gauge == nil {
		return &rate
	}
	return a.gauge
}

// measure is the figure of the row, in each round or in all; beside that of to, if
// there is one.
func (a *aim) measure(row, to *Result) (each []float64) {
	own := a.looksAt().of(row)
	if to == nil {
		return own
	}
	by := a.looksAt()
	if a.by != nil {
		by = a.by
	}
	theirs := by.of(to)
	for i := range min(len(own), len(theirs)) {
		switch {
		case a.more:
			each = append(each, own[i]-theirs[i])
		case theirs[i] > 0:
			each = append(each, own[i]/theirs[i])
		}
	}
	return each
}

// what says the aim in words.
func (a *aim) what() string {
	s := a.looksAt().name + a.row.String()
	if a.least > 0 {
		s += " at least "
	} else {
		s += " at most "
	}
	s += thousands(a.bound())
	switch {
	case a.to == nil:
		return s + a.looksAt().unit
	case a.more:
		return s + a.looksAt().unit + " more than " + a.to.String()
	case a.by != nil:
		return s + " times " + a.by.name + a.to.String()
	default:
		return s + " times " + a.to.String()
	}
}

func (p *pick) String() string {
	s := p.system
	if p.level != "" {
		s += ", " + p.level
	}
	if p.keys > 0 {
		s += fmt.Sprintf(", %s keys", thousands(float64(p.keys)))
	}
	if p.rows > 0 {
		s += fmt.Sprintf(", %s rows kept", thousands(float64(p.rows)))
	} else if p.rows == noRows {
		s += ", no rows kept"
	}
	if p.rate > 0 {
		s += fmt.Sprintf(", %s/s offered", thousands(p.rate))
	}
	if p.best {
		s += " with the best number of clients"
	}
	return s
}

// is reports whether the aim is about a row.
func (p *pick) is(r *Result) bool {
	return r.System == p.system && r.Level == p.level && (p.clients <= 0 || r.Clients == p.clients) && (p.rate == 0 || r.OfferedPerS == p.rate) &&
		(p.keys == 0 || r.Keys <= p.keys && r.Keys > p.keys*9/10) && (p.rows == 0 || r.RowsKept != nil && *r.RowsKept == max(0, p.rows))
}

// isOf reports whether the row would have been one of a visit that failed.
func (p *pick) isOf(f *Failed) bool {
	return f.System == p.system && (p.clients <= 0 || f.Clients == p.clients) && (p.rate == 0 || f.rate == 0 || f.rate == p.rate) &&
		(p.keys == 0 || f.keys == 0 || f.keys == p.keys) && (p.rows == 0 || f.rows == nil || *f.rows == max(0, p.rows))
}

// other is the row that one with so many clients is compared with, or why it does
// not count.
func (p *pick) other(r *Report, clients int) (to *Result, why string) {
	own := *p
	if own.clients == 0 {
		own.clients = clients
	}
	for i := range r.Failed {
		if f := &r.Failed[i]; own.isOf(f) && !own.best {
			return nil, f.System + " failed: " + f.Error
		}
	}
	for i := range r.Results {
		if row := &r.Results[i]; own.is(row) && (to == nil || own.best && row.OpsPerS > to.OpsPerS) {
			to = row
		}
	}
	if to != nil && to.SyncsChecked == false {
		return nil, to.System + " answered before it had synced"
	}
	return to, ""
}

// printAims prints one line for each.
func printAims(out io.Writer, judged []Aim) {
	for i := range judged {
		a := &judged[i]
		clients := fmt.Sprintf("%s clients", thousands(float64(a.Clients)))
		if a.Clients == 1 {
			clients = "1 client"
		}
		switch {
		case a.Measured == nil:
			fmt.Fprintf(out, "aim: %s, %s: missed: %s\n", clients, a.What, a.Why)
		case a.Reached:
			fmt.Fprintf(out, "aim: %s, %s: %s, reached\n", clients, a.What, thousands(*a.Measured))
		default:
			fmt.Fprintf(out, "aim: %s, %s: %s, missed\n", clients, a.What, thousands(*a.Measured))
		}
	}
}
