package main

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
)

// us is a latency in microseconds.
func us(f float64) *float64 { return &f }

// judgement is rows of a run, and the lines that they judge.
type judgement struct {
	name, scenario string
	rows           []Result
	failed         []Failed
	want           []string
}

// presence is of rows that are there, or failed, or do not sync.
func presence() []judgement {
	mainstem := Result{System: "mainstem", Clients: 512, Rounds: []float64{100, 300, 200}, SyncsChecked: true}
	bbolt := Result{System: "bbolt", Clients: 512, Rounds: []float64{100, 100, 50}, SyncsChecked: true}
	unsynced := func(r Result) Result { r.SyncsChecked = false; return r }
	return []judgement{
		{"the median of the ratios within the rounds", "cas", []Result{mainstem, bbolt}, nil, []string{
			"aim: 512 clients, mainstem at least 2 times bbolt: 3, reached",
		}},
		{"who is not there judges nothing", "cas", []Result{mainstem}, nil, nil},
		{"other numbers of clients do not, either", "cas", []Result{{System: "mainstem", Clients: 32, Rounds: []float64{9}}, {System: "bbolt", Clients: 32, Rounds: []float64{1}}}, nil, nil},
		{"nor are they compared with each other", "cas", []Result{mainstem, {System: "bbolt", Clients: 64, Rounds: []float64{1}}}, nil, nil},
		{"another scenario", "append", []Result{mainstem, bbolt}, nil, nil},
		{"a row that failed, with and without rounds before", "cas", []Result{mainstem, bbolt}, []Failed{{System: "mainstem", Clients: 512, Error: "gone"}}, []string{
			"aim: 512 clients, mainstem at least 2 times bbolt: missed: mainstem failed: gone",
			"aim: 512 clients, mainstem at least 10 times etcd: missed: mainstem failed: gone",
		}},
		{"a peer that failed", "cas", []Result{mainstem}, []Failed{{System: "bbolt", Clients: 512, Error: "gone"}}, []string{
			"aim: 512 clients, mainstem at least 2 times bbolt: missed: bbolt failed: gone",
		}},
		{"a peer that failed elsewhere", "cas", []Result{mainstem, bbolt}, []Failed{{System: "bbolt", Clients: 64, Error: "gone"}}, []string{
			"aim: 512 clients, mainstem at least 2 times bbolt: 3, reached",
		}},
		{"who does not sync", "cas", []Result{unsynced(mainstem), bbolt}, nil, []string{
			"aim: 512 clients, mainstem at least 2 times bbolt: missed: mainstem answered before it had synced",
		}},
		{"a peer that does not sync", "cas", []Result{mainstem, unsynced(bbolt)}, nil, []string{
			"aim: 512 clients, mainstem at least 2 times bbolt: missed: bbolt answered before it had synced",
		}},
	}
}

// gauged is of what is measured of rows.
func gauged() []judgement {
	one := func(system string, p50, p99 float64) Result {
		return Result{System: system, Clients: 1, P50: us(p50), P99: us(p99), SyncsChecked: notAsked}
	}
	get := func(system string, keys int, ops float64) Result {
		return Result{System: system, Clients: 64, Rounds: []float64{ops}, Extra: Extra{Keys: keys}}
	}
	server := func(clients int, ops float64, e Extra) Result {
		return Result{System: "mainstem-server", Clients: clients, OpsPerS: ops, Rounds: []float64{ops}, Extra: e}
	}
	soaked := func(last, slice float64) Result {
		return Result{System: "mainstem", Clients: 512, Extra: Extra{Slices: []float64{1000, 10, last}, SliceSeconds: slice}}
	}
	kept := func(rows int, ops float64) Result {
		return Result{System: "pg.Relay, events kept", Clients: 64, Rounds: []float64{ops}, Extra: Extra{RowsKept: &rows}}
	}
	return []judgement{
		{"latencies, as a ratio and as a difference", "cas", []Result{one("mainstem", 120, 390), one("mainstem-server", 280, 500), one("floor-sync", 100, 130)}, nil, []string{
			"aim: 1 client, p50 of mainstem at most 1.3 times floor-sync: 1.2, reached",
			"aim: 1 client, p99 of mainstem at most 2 times floor-sync: 3, missed",
			"aim: 1 client, p50 of mainstem-server at most 150 µs more than mainstem: 160, missed",
		}},
		{"p99 beside another's p50", "openloop", []Result{
			one(oneCaller, 200, 900),
			{System: "mainstem", Clients: 1024, P99: us(1100), Extra: Extra{OfferedPerS: 20_000}},
			{System: "mainstem", Clients: 1024, P99: us(100), Extra: Extra{OfferedPerS: 5000}},
		}, []Failed{{System: "mainstem", Clients: 1024, Error: "late", rate: 50_000}}, []string{
			"aim: 1,024 clients, p99 of mainstem, 20,000/s offered at most 5 times p50 of mainstem, one caller: 5.5, missed",
		}},
		{"keys that clients share, and the figure alone", "get", []Result{get("mainstem", 9984, 600_000), get(besideWriter, 9984, 240_000), get("mainstem", 10_000_000, 1)}, nil, []string{
			"aim: 64 clients, mainstem, 10,000 keys at least 500,000/s: 600,000, reached",
			"aim: 64 clients, mainstem, 10,000,000 keys at least 150,000/s: 1, missed",
			"aim: 64 clients, mainstem, beside a writer, 10,000 keys at least 250,000/s: 240,000, missed",
			"aim: 64 clients, mainstem, beside a writer, 10,000 keys at least 0.5 times mainstem, 10,000 keys: 0.4, missed",
		}},
		{"the best number of clients", "overload", []Result{server(16, 100, Extra{}), server(256, 400, Extra{}), server(4096, 300, Extra{})}, nil, []string{
			"aim: 4,096 clients, mainstem-server at least 0.8 times mainstem-server with the best number of clients: 0.75, missed",
		}},
		{"a server that does not come back", "overload", []Result{
			server(512, 100, Extra{Level: waiting}), server(512, 90, Extra{Level: arriving, RefusedP99: us(49_000)}),
		}, nil, []string{
			"aim: 512 clients, mainstem-server, arrivals that wait for nobody at least 0.8 times mainstem-server, callers who wait for their answers: 0.9, reached",
			"aim: 512 clients, p99 of refusals of mainstem-server, arrivals that wait for nobody at most 50,000 µs: 49,000, reached",
			"aim: 512 clients, until normal again, mainstem-server, arrivals that wait for nobody at most 30 s: missed: not normal a minute after",
		}},
		{"minutes", "soak", []Result{soaked(840, 60)}, nil, []string{"aim: 512 clients, last minute by the first of mainstem at least 0.85: 0.84, missed"}},
		{"a soak that has none", "soak", []Result{soaked(840, 6)}, nil, nil},
		{"memory", "memory", []Result{{System: "mainstem", Clients: 512, Extra: Extra{Keys: 9_999_872, PeakRSS: 356 << 20, Memory: 256 << 20}}}, nil, []string{
			"aim: 512 clients, peak RSS beyond the budget of mainstem, 10,000,000 keys at most 128 MiB: 100, reached",
		}},
		{"rows that are kept", "pg-backlog", []Result{kept(0, 100), kept(10_000, 10), kept(10_000_000, 95)}, nil, []string{
			"aim: 64 clients, pg.Relay, events kept, 10,000,000 rows kept at least 0.9 times pg.Relay, events kept, no rows kept: 0.95, reached",
		}},
	}
}

// TestAimsAreJudged: what the rows of a run say of the targets, and what they cannot say.
func TestAimsAreJudged(t *testing.T) {
	for _, c := range append(presence(), gauged()...) {
		var out bytes.Buffer
		printAims(&out, judge(&Report{Scenario: c.scenario, Results: c.rows, Failed: c.failed}))
		if got := slices.Collect(strings.Lines(out.String())); strings.Join(c.want, "\n") != strings.TrimSpace(strings.Join(got, "")) {
			t.Errorf("%s:\n%swant\n%s", c.name, out.String(), strings.Join(c.want, "\n"))
		}
	}
}

// planned are the rows of a scenario as make bench runs it, or with more arguments, and
// what is missing.
func planned(t *testing.T, sc *scenario, more ...string) (rows []row, missing []Missing) {
	t.Helper()
	o, err := parseOptions(append([]string{"-scenario", sc.name}, more...), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	if o, err = o.at(sc); err != nil {
		t.Fatal(err)
	}
	return sc.plan(o)
}

// TestAskedForIsThereOrMissing: a system that is asked for has a row, or is named as
// missing, in every scenario.
func TestAskedForIsThereOrMissing(t *testing.T) {
	for i := range scenarios {
		for _, name := range append(peerNames(), "floor-state") {
			rows, missing := planned(t, &scenarios[i], "-peers", name)
			has := slices.ContainsFunc(rows, func(r row) bool { return r.job.Peer == name })
			named := slices.ContainsFunc(missing, func(m Missing) bool { return m.System == name })
			if !has && !named {
				t.Errorf("%s, -peers %s: no row, and it is not named as missing", scenarios[i].name, name)
			}
		}
	}
}

// TestBenchJudgesEveryAim: what make bench runs has the rows of each aim, in each
// scenario that the aim names or in another one of them.
func TestBenchJudgesEveryAim(t *testing.T) {
	rows := map[string][]row{}
	for i := range scenarios {
		rows[scenarios[i].name], _ = planned(t, &scenarios[i])
	}
	has := func(scenario string, p *pick, clients int) bool {
		return slices.ContainsFunc(rows[scenario], func(r row) bool {
			keys := r.job.Keys == p.keys || slices.Contains(r.job.Steps, p.keys)
			return r.system == p.system && (clients <= 0 || r.job.Clients == clients) && (p.keys == 0 || keys) && (p.rate == 0 || r.job.Rate == p.rate) &&
				(p.rows == 0 || r.job.Retain != "" && r.job.Rows == max(0, p.rows))
		})
	}
	for i := range aims {
		a := &aims[i]
		judged := false
		for _, name := range strings.Fields(a.in) {
			if rows[name] == nil {
				t.Errorf("%s: no scenario is called %q", a.what(), name)
			}
			other := true
			if a.to != nil {
				clients := a.to.clients
				if clients == 0 {
					clients = a.row.clients
				}
				other = has(name, a.to, clients)
			}
			judged = judged || other && has(name, &a.row, a.row.clients)
		}
		if !judged {
			t.Errorf("make bench has no rows for: %s", a.what())
		}
		if a.least > 0 == (a.most > 0) {
			t.Errorf("%s: at least %g, at most %g", a.what(), a.least, a.most)
		}
	}
}

// TestBenchIsEverything: make bench runs all scenarios, together all systems, and the
// page says what each is.
func TestBenchIsEverything(t *testing.T) {
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../docs/bench.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(makefile, []byte("\nBENCH       ?= -scenario all\n")) {
		t.Error("make bench does not run -scenario all")
	}
	systems := map[string]bool{}
	for i := range scenarios {
		sc := &scenarios[i]
		rows, _ := planned(t, sc)
		for _, r := range rows {
			systems[r.job.Peer] = true
		}
		if !bytes.Contains(page, []byte("`"+sc.name+"`")) {
			t.Errorf("docs/bench.md does not say what %s is", sc.name)
		}
	}
	for _, name := range append(peerNames(), "mainstem", "floor-state") {
		if !systems[name] {
			t.Errorf("no scenario has a row of %s", name)
		}
	}
}
