package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mainstemdb/mainstem/bench/internal/peer"
)

// scenario is a question, and the rows that answer it.
type scenario struct {
	name  string
	about string
	// kinds are the operations of a client, in turn; nil for what is no
	// operation of a client.
	kinds []peer.Kind
	// rows are what is measured; nil means every system at every number of clients.
	rows func(o *options, sc *scenario) ([]row, []Missing)
	// alone says that it is one long visit, not several rounds.
	alone bool
	// shared says that all rows are measured on one PostgreSQL, each visit in a
	// database of its own.
	shared bool
	// usual is what counts where the command line leaves a flag out.
	usual usual
}

// usual is how a scenario is measured unless told otherwise. Together they are
// the published table: make bench leaves everything out.
type usual struct {
	clients []int
	seconds float64
	keys    []int
	rates   []float64
	fill    int
	peers   string
}

// fallback is what a scenario does not say itself.
var fallback = usual{
	clients: []int{1, 64, 512}, seconds: 20, keys: []int{10_000}, rates: []float64{1000, 5000, 20_000, 50_000}, fill: 1_000_000, peers: "all",
}

// at is the options as they count for a scenario.
func (o *options) at(sc *scenario) (*options, error) {
	own := *o
	if sc.alone {
		own.rounds = 1
	}
	u := sc.usual
	if own.clients == nil {
		own.clients = orElse(u.clients, fallback.clients)
	}
	if own.keys == nil {
		own.keys = orElse(u.keys, fallback.keys)
	}
	if own.rates == nil {
		own.rates = orElse(u.rates, fallback.rates)
	}
	own.seconds = cmp.Or(own.seconds, u.seconds, fallback.seconds)
	own.fill = cmp.Or(own.fill, u.fill, fallback.fill)
	if own.peers == nil {
		if err := own.setPeers(cmp.Or(u.peers, fallback.peers)); err != nil {
			return nil, err
		}
	}
	own.peers = sc.everybody(own.peers)
	return &own, nil
}

// everybody puts the systems in the place of "all": those whose operations are of
// the scenario's kind, and no floors.
func (sc *scenario) everybody(asked []string) (names []string) {
	for _, name := range asked {
		if name != "all" {
			names = append(names, name)
			continue
		}
		for i := range peer.All {
			p := &peer.All[i]
			if !p.Ours && !strings.HasPrefix(p.Name, "floor-") && p.Can(peer.Request) == slices.Contains(sc.kinds, peer.Request) && !slices.Contains(asked, p.Name) {
				names = append(names, p.Name)
			}
		}
	}
	return names
}

func orElse[N any](a, b []N) []N {
	if a != nil {
		return a
	}
	return b
}

// row is one line of the table: a job that is done once per round.
type row struct {
	system string
	job    Job
	// before is done once, before the first round.
	before *Job
	// name tells the row apart, and against is the name of one that it is compared
	// with; both may be empty.
	name, against string
}

// scenarios in the order of the page that explains them.
var scenarios = []scenario{
	{
		name: "cas", about: "durable compare-and-set of 100-byte values, each client on its own keys", kinds: []peer.Kind{peer.CAS},
		usual: usual{clients: []int{1, 64, 512, 4096}, seconds: 60, peers: "all,floor-sync,floor-state"},
	},
	{
		name: "counter", about: "all clients take one from the same counter, which has a floor; and cas beside it", kinds: []peer.Kind{peer.Add}, rows: counterRows,
		usual: usual{clients: []int{1, 512}},
	},
	{
		name: "append", about: "append of a 100-byte event to the client's stream, at an expected version", kinds: []peer.Kind{peer.Append},
		usual: usual{clients: []int{1, 512}},
	},
	{
		name: "get", about: "reads of random keys, as fresh as the last acknowledged write", kinds: []peer.Kind{peer.Get}, rows: getRows,
		usual: usual{clients: []int{64}, keys: []int{10_000, 10_000_000}},
	},
	{
		name: "mixed", about: "half reads as in get, half writes as in cas", kinds: []peer.Kind{peer.Get, peer.CAS},
		usual: usual{clients: []int{64, 512}},
	},
	{
		name: "openloop", about: "cas by arrivals at a fixed rate, latency from when each was meant to begin", kinds: []peer.Kind{peer.CAS}, rows: openRows,
		usual: usual{clients: []int{1024}, peers: "all,floor-sync"},
	},
	{
		name: "overload", about: "a server asked for more than it can do: by many, by ten times as many arrivals as it can take, by clients that repeat at once", rows: overloadRows,
		usual: usual{clients: []int{1, 16, 64, 256, 1024, 4096}, peers: "none"}, alone: true,
	},
	{
		name: "callerid", about: "cas under IDs of the callers' own, beside IDs made by the library", kinds: []peer.Kind{peer.CAS}, rows: callerRows,
		usual: usual{clients: []int{64, 512}, peers: "none"},
	},
	{
		name: "feed", about: "changes per second that one reader gets out of a filled log, without images of before, alone and through a server", rows: feedRows("feed"),
		usual: usual{peers: "none"},
	},
	{name: "follow", about: "changes per second of a follower with a durable cursor", rows: feedRows("follow"), usual: usual{peers: "none"}},
	{
		name: "idle-feeds", about: "memory of feeds that wait for changes, of a server and its client together", rows: idleRows, alone: true,
		usual: usual{clients: []int{1000}, peers: "none"},
	},
	{name: "open", about: "opening after SIGKILL: transactions replayed per second", rows: replayRows, usual: usual{peers: "none"}},
	{
		name: "growth", about: "cas while the number of keys grows, in one process", kinds: []peer.Kind{peer.CAS}, rows: growthRows, alone: true,
		usual: usual{keys: []int{10_000, 100_000, 1_000_000, 10_000_000}, peers: "none"},
	},
	{
		name: "memory", about: "the most memory resident with many keys, beside the budget", kinds: []peer.Kind{peer.CAS}, rows: growthRows, alone: true,
		usual: usual{keys: []int{10_000_000}, peers: "none"},
	},
	{
		name: "soak", about: "cas for long: the last slice beside the first, and answers while tables are merged", kinds: []peer.Kind{peer.CAS}, rows: soakRows, alone: true,
		usual: usual{seconds: 600, peers: "none"},
	},
	{
		name: "floor-sync", about: "cas beside a raw write and fdatasync of the same bytes", kinds: []peer.Kind{peer.CAS}, rows: floorRows("floor-sync"),
		usual: usual{clients: []int{1}, peers: "none"},
	},
	{
		name: "floor-state", about: "cas beside the same batches applied to the state store, without log or sync", kinds: []peer.Kind{peer.CAS}, rows: floorRows("floor-state"),
		usual: usual{clients: []int{4096}, peers: "none"},
	},
	{
		name: "shared-log", about: "cas through one node on a log that nodes can share, beside the same servers asked directly", kinds: []peer.Kind{peer.CAS},
		usual: usual{
			clients: []int{256, 2048}, seconds: 60,
			peers: "mainstem-on-postgres,postgres,mainstem-on-jetstream,jetstream,mainstem-on-jetstream-r3,jetstream-r3",
		},
	},
	{
		name: "levels", about: "reads of a follower at each level while another node is written, and how stale they were", rows: levelRows,
		usual: usual{clients: []int{4}, peers: "none"},
	},
	{
		name: "partitions", about: "cas through one node on logs of 1, 4 and 16 partitions", kinds: []peer.Kind{peer.CAS}, rows: partitionRows,
		usual: usual{clients: []int{256}, peers: "none"},
	},
	{
		name: "takeover", about: "from SIGKILL of the node that writes until another one has acknowledged a write", rows: nodeRows("takeover"), alone: true,
		usual: usual{clients: []int{1}, peers: "none"},
	},
	{
		name: "move", about: "cas while the database moves from files to a log that nodes can share: for how long writes wait", rows: nodeRows("move"),
		usual: usual{clients: []int{16}, fill: 100_000, peers: "none"},
	},
	{
		name: "followers", about: "reads within one second of two nodes per second of processor time, and the writes of a third meanwhile", rows: nodeRows("followers"),
		usual: usual{clients: []int{16}, peers: "none"},
	},
	{
		name: "pg-request", about: "a payment with its key and its event in one transaction on PostgreSQL", kinds: []peer.Kind{peer.Request}, rows: requestRows, shared: true,
		usual: usual{clients: []int{1, 64}, seconds: 60},
	},
	{
		name: "pg-relay", about: "events per second out of a committed backlog into a function, numbered on the way", rows: relayRows, shared: true,
		usual: usual{peers: "none"},
	},
	{
		name: "pg-delay", about: "from the answer to COMMIT until a function has the event", rows: delayRows, shared: true,
		usual: usual{clients: []int{64}, rates: []float64{20, 2000}, peers: "none"},
	},
	{
		name: "pg-backlog", about: "requests, and events out of a relay, where many rows are kept", rows: backlogRows, shared: true,
		usual: usual{clients: []int{64}, keys: []int{10_000, 1_000_000, 10_000_000}, fill: 100_000, peers: "none"},
	},
	{
		name: "pg-bloat", about: "requests at a steady rate for long: the bytes of tables and indexes", rows: bloatRows, shared: true, alone: true,
		usual: usual{clients: []int{64}, seconds: 3600, rates: []float64{500}, peers: "none"},
	},
}

func findScenario(name string) (*scenario, error) {
	var names []string
	for i := range scenarios {
		if scenarios[i].name == name {
			return &scenarios[i], nil
		}
		names = append(names, scenarios[i].name)
	}
	return nil, fmt.Errorf("no scenario is called %q; there are: %s, and all", name, listed(names))
}

// plan is the rows of a scenario, and what the systems asked for cannot do.
func (sc *scenario) plan(o *options) (rows []row, missing []Missing) {
	if sc.rows != nil {
		return sc.rows(o, sc)
	}
	return systemRows(o, sc, sc.kinds)
}

// systemRows are all systems that can, at every number of clients.
func systemRows(o *options, sc *scenario, kinds []peer.Kind) (rows []row, missing []Missing) {
	able, missing := o.able(kinds)
	for _, clients := range o.clients {
		for _, name := range able {
			rows = append(rows, o.row(name, sc.name, "closed", kinds, clients))
		}
	}
	return rows, missing
}

// able are Mainstem and those of the peers asked for that can do this.
func (o *options) able(kinds []peer.Kind) (able []string, missing []Missing) {
	for i := range peer.All {
		if p := &peer.All[i]; p.Ours && p.Can(kinds...) {
			able = append(able, p.Name)
		}
	}
	for _, name := range o.peers {
		p, err := peer.Find(name)
		switch {
		case name == "floor-state" && slices.Equal(kinds, []peer.Kind{peer.CAS}), err == nil && p.Can(kinds...):
			able = append(able, name)
		default:
			missing = append(missing, Missing{System: name, Why: fmt.Sprintf("does not have the operations %v of this scenario", kinds)})
		}
	}
	return able, missing
}

// apart says of every peer asked for that a scenario has no row for it.
func (o *options) apart() (missing []Missing) {
	for _, name := range o.peers {
		missing = append(missing, Missing{System: name, Why: "this scenario is Mainstem's alone; docs/bench.md says why"})
	}
	return missing
}

// row is one system's row; visits to one system in one scenario share a directory.
func (o *options) row(system, where, task string, kinds []peer.Kind, clients int) row {
	job := Job{
		Task: task, Peer: system, Dir: o.place(where + "-" + system), Clients: clients, Kinds: kinds, Keys: o.keys[0],
		For: o.part(), Warm: min(o.part()/4, time.Second), Memory: o.memory,
	}
	if system == "floor-state" {
		job.Task = "floor-state"
		job.Dir = o.place(fmt.Sprintf("%s-%s-%d", where, system, clients))
	}
	return row{system: system, job: job}
}
