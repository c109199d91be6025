package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mainstemdb/mainstem/bench/internal/peer"
)

// options are what the command line says.
type options struct {
	scenario string
	clients  []int
	seconds  float64
	rounds   int
	peers    []string
	keys     []int
	rates    []float64
	fill     int
	memory   int64
	dir      string
	json     bool
	check    bool
	commit   string
	record   string
	chart    string
	profiles string
	page     string
	levels   string

	progress io.Writer
}

const usage = `Measures Mainstem and its peers side by side, on the same disk, in one run.

  go run . -scenario cas -clients 1,64,512 -seconds 20 -peers bbolt,etcd -json
  go run . -scenario get -keys 10000,10000000
  go run . -scenario openloop -rates 1000,20000 -clients 1024 -peers all
  go run . -scenario cas -clients 4096 -peers floor-sync,floor-state
  go run . -scenario all -record history.jsonl -chart ../docs/bench.svg
  go run . -record history.jsonl -chart ../docs/bench.svg     (draws only)

Scenarios:
%s
Systems for -peers: %s; all means every one that does what the scenario asks for, but the floors.

Flags:
`

// parseOptions reads the command line; help and, later, progress go to out. Its
// error is the user's to mend.
func parseOptions(args []string, out io.Writer) (*options, error) {
	o := &options{progress: out}
	var clients, peers, keys, rates string
	var memory int64
	set := flag.NewFlagSet("bench", flag.ContinueOnError)
	set.SetOutput(out)
	set.StringVar(&o.scenario, "scenario", "", "what to measure: one of the scenarios above, or all")
	set.StringVar(&clients, "clients", "", "numbers of clients, each a row; where a scenario has one number, the highest counts (default: the scenario's own)")
	set.Float64Var(&o.seconds, "seconds", 0, "how long each row is measured, over all rounds (default: the scenario's own, mostly 20)")
	set.IntVar(&o.rounds, "rounds", 3, "in how many parts: each round visits every row, so that drift hits all alike")
	set.StringVar(&peers, "peers", "", "systems to measure beside Mainstem, or none (default: the scenario's own, mostly all)")
	set.StringVar(&keys, "keys", "", "numbers of keys; get and growth take several, and pg-backlog as numbers of rows (default: the scenario's own, mostly 10000)")
	set.StringVar(&rates, "rates", "", "arrivals per second of openloop, pg-delay and pg-bloat, which takes one (default: the scenario's own)")
	set.IntVar(&o.fill, "fill", 0, "transactions in the log that feed, follow and open read, events that pg-relay and pg-backlog take (default: the scenario's own, mostly 1000000)")
	set.Int64Var(&memory, "memory", 0, "Mainstem's memory budget in MiB (default: its own, 256)")
	set.StringVar(&o.dir, "dir", "", "where the data goes: a new directory in it, removed at the end (default: here)")
	set.BoolVar(&o.json, "json", false, "print one JSON object, as schema.json describes it; with -scenario all, one per line")
	set.BoolVar(&o.check, "check", true, "check with strace that each system syncs before it answers")
	set.StringVar(&o.commit, "commit", "", "the commit to name in the output")
	set.StringVar(&o.record, "record", "", "append the figures to this file, one JSON line per run")
	set.StringVar(&o.chart, "chart", "", "draw what -record holds into this SVG file")
	set.StringVar(&o.profiles, "profiles", "", "write processor profiles of the windows into this directory, for go tool pprof")
	set.StringVar(&o.page, "page", "", "write anew what is generated of this page of guarantees, with the figures of -levels; measures nothing")
	set.StringVar(&o.levels, "levels", "", "what -scenario levels -json has printed")
	set.Usage = func() {
		fmt.Fprintf(out, usage, aboutScenarios(), listed(append(peerNames(), "floor-state")))
		set.PrintDefaults()
	}
	if err := set.Parse(args); err != nil {
		return nil, err
	}
	if set.NArg() > 0 {
		return nil, fmt.Errorf("%q is no flag; -h lists them", set.Arg(0))
	}
	o.memory = memory << 20
	if o.profiles != "" { // visits run elsewhere
		var err error
		if o.profiles, err = filepath.Abs(o.profiles); err != nil {
			return nil, err
		}
	}
	err := errors.Join(numbers(clients, "clients", &o.clients), numbers(keys, "keys", &o.keys), numbers(rates, "rates", &o.rates), o.setPeers(peers))
	if err != nil {
		return nil, err
	}
	return o, o.validate()
}

func (o *options) validate() error {
	drawing := o.scenario == "" && o.record != "" && o.chart != ""
	switch {
	case drawing, o.page != "" && o.levels != "" && o.scenario == "":
		return nil
	case o.page != "" || o.levels != "":
		return errors.New("-page and -levels go together, and without -scenario")
	case o.scenario == "":
		return errors.New("say what to measure, for example -scenario cas; -h lists the scenarios")
	case o.chart != "" && o.record == "":
		return errors.New("-chart draws what -record holds: name both")
	case o.seconds < 0 || o.rounds < 1 || o.fill < 0:
		return errors.New("-seconds, -rounds and -fill must be more than 0")
	case len(o.clients) > 0 && (slices.Min(o.clients) < 1 || slices.Max(o.clients) > streams):
		return fmt.Errorf("-clients must be between 1 and %d", streams)
	case len(o.keys) > 0 && slices.Min(o.keys) < 1, len(o.rates) > 0 && slices.Min(o.rates) <= 0:
		return errors.New("-keys and -rates must be more than 0")
	case !slices.IsSorted(o.keys):
		return errors.New("-keys must grow")
	}
	if o.scenario != "all" {
		_, err := findScenario(o.scenario)
		return err
	}
	return nil
}

// setPeers reads the list of systems; an empty one leaves it to the scenario.
func (o *options) setPeers(list string) error {
	if list == "" {
		return nil
	}
	o.peers = []string{}
	for name := range strings.SplitSeq(list, ",") {
		switch name = strings.TrimSpace(name); {
		case name == "none", name == "mainstem", slices.Contains(o.peers, name):
		case name == "all", name == "floor-state", slices.Contains(peerNames(), name):
			o.peers = append(o.peers, name)
		default:
			return fmt.Errorf("no system is called %q; there are: %s", name, listed(append(peerNames(), "floor-state")))
		}
	}
	return nil
}

// peerNames are the systems beside Mainstem.
func peerNames() (names []string) {
	for i := range peer.All {
		if p := &peer.All[i]; !p.Ours {
			names = append(names, p.Name)
		}
	}
	return names
}

func aboutScenarios() string {
	var b strings.Builder
	for _, sc := range scenarios {
		fmt.Fprintf(&b, "  %-12s %s\n", sc.name, sc.about)
	}
	return b.String()
}

func listed(names []string) string { return strings.Join(names, ", ") }

// numbers reads a list of numbers.
func numbers[N int | float64](list, flagName string, to *[]N) error {
	if list == "" {
		return nil
	}
	for word := range strings.SplitSeq(list, ",") {
		f, err := strconv.ParseFloat(strings.TrimSpace(word), 64)
		if err != nil || float64(N(f)) != f {
			return fmt.Errorf("-%s: %q is no number that fits", flagName, word)
		}
		*to = append(*to, N(f))
	}
	return nil
}

// part is how long a row is measured in one round.
func (o *options) part() time.Duration {
	return time.Duration(o.seconds / float64(o.rounds) * float64(time.Second))
}

// place is a directory of this run.
func (o *options) place(name string) string { return filepath.Join(o.dir, name) }
