package cli

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/mainstemdb/mainstem/cmd/mainstem/internal/demo"
)

// demoCmd has one demo so far.
type demoCmd struct {
	Name     string  `arg:"" optional:"" name:"DEMO" enum:"inventory" default:"inventory" help:"Which demo; there is one, inventory."`
	Kills    int     `help:"How often the database's process is killed with SIGKILL, in each of the two audited runs; 5 unless given, at most 10 for each of the --seconds." default:"5" placeholder:"N"`
	Power    bool    `help:"Make every kill a power cut: what was not synced is lost too."`
	Server   bool    `help:"Kill a server: shoppers are its clients over TCP, not lines to a process that holds the database."`
	Cluster  string  `help:"Three nodes on a log in PostgreSQL with a synchronous standby, or on three NATS servers, all started for it; every other kill cuts one off from the rest instead." enum:",postgres,jetstream" default:"" placeholder:"postgres|jetstream"`
	Cuts     string  `help:"What cuts a node of a --cluster off: network namespaces, which need root on Linux and lose what is sent, or proxies, which hold it back. Namespaces where they are possible, unless given." enum:"auto,namespaces,proxies" default:"auto" placeholder:"HOW"`
	Orders   string  `help:"Take the purchases from this CSV file, one a row." placeholder:"FILE.csv"`
	Seconds  float64 `help:"Length of the first run, 10 unless given; the others are shorter, and every kill adds a restart." default:"10" placeholder:"N"`
	Shoppers int     `help:"How many buy at the same time; 64 unless given." default:"64" placeholder:"N"`
	Seed     uint64  `help:"Repeat the choices of an earlier run: purchases, stock, moments of the kills. Without it, or 0, one is drawn, and printed." placeholder:"N"`
	Naive    bool    `help:"Also buy by read-then-write without conditions, to see what that oversells. It is done unless --no-naive is given." default:"true" negatable:""`
	Keep     string  `help:"Keep databases and the record of acknowledgements in this directory, which must be new or empty." placeholder:"DIR" type:"path"`
}

// Help is shown below the flags.
func (*demoCmd) Help() string {
	return `A purchase is one transaction under its own ID in the item's group: take from the stock (floor 0), put the order, append the order event. Shoppers live outside the process that is killed; cut off, they repeat with the same ID. They buy once by adding with a floor and once by compare-and-set, both while the database is killed, and once naively, without kills. Their acknowledgements are recorded outside the database; at the end all of them are looked for in it. A broken promise is exit code 1, and so is a database that does not open after a kill.

A file for --orders is CSV: either with a header line that has a column "item" and may have "quantity" and "id", or without one, in rows of member, date (DD-MM-YYYY) and item.

The stock is chosen so that about half of the items sell out. A SIGKILL loses nothing that the operating system has; only --power shows what a power cut loses.

Examples:

    mainstem demo
    mainstem demo --kills 10 --power
    mainstem demo --server
    mainstem demo --cluster postgres
    mainstem demo inventory --orders groceries.csv --json
    mainstem demo --seconds 3 --kills 2 --no-naive --seed 7`
}

// killsPerSecond bounds how long a demo takes beyond what was asked for: a
// restart takes about a tenth of a second, and there are two audited runs.
const killsPerSecond = 10

func (c *demoCmd) Run(e *env) (err error) {
	if c.Kills < 0 || c.Shoppers < 1 || c.Shoppers > 4096 || !(c.Seconds >= 1 && c.Seconds <= 3600) {
		return misused("see mainstem demo --help", "--kills is at least 0, --shoppers 1 to 4096, --seconds 1 to 3600")
	}
	if most := int(c.Seconds * killsPerSecond); c.Kills > most {
		return misused("give fewer, or more --seconds: every kill waits for a crowd of shoppers and then for a restart",
			"%d kills do not fit into %v seconds; %d do", c.Kills, c.Seconds, most)
	}
	if c.Cluster != "" && (c.Power || c.Server || c.Keep != "") {
		return misused("leave out --power, --server and --keep", "a demo with --cluster kills nodes, and its log is on servers that end with it")
	}
	if c.Cuts != "auto" && c.Cluster == "" {
		return misused("give --cluster too, or leave --cuts out", "--cuts is of nodes, and without --cluster there are none")
	}
	config := demo.Config{
		Kills: c.Kills, Power: c.Power, Server: c.Server, Cluster: c.Cluster, Cuts: c.Cuts, Orders: c.Orders, Length: time.Duration(c.Seconds * float64(time.Second)),
		Shoppers: c.Shoppers, Seed: c.Seed, Naive: c.Naive, Keep: c.Keep,
	}
	if !e.json {
		config.Progress, config.Live = e.err, e.errTerminal
	}
	report, err := demo.Run(e.ctx, config)
	if err != nil {
		return err
	}
	if e.json {
		err = e.object(report)
	} else {
		err = report.Print(e.styled())
	}
	if err == nil && len(report.Failed) > 0 {
		return &problem{
			Code: "promise_broken", Message: fmt.Sprintf("seed %d: %s", report.Seed, strings.Join(report.Failed, "; ")),
			Advice: "repeat it with --seed and --keep, and report it", exit: exitOther,
		}
	}
	return err
}

// holderCmd is the process that the demo kills. It is not for people.
type holderCmd struct {
	Dir    string `required:""`
	Socket string `required:""`
	Listen string
	Node   string
	Log    string
	Peer   string
	Reach  map[string]string `mapsep:","`
	Power  uint64            `help:"Seed of the power cuts; 0 for none."`
}

func (c *holderCmd) Run(e *env) (err error) {
	return demo.Hold(e.ctx, demo.Holder{Dir: filepath.Clean(c.Dir), Socket: c.Socket, Listen: c.Listen, PowerSeed: c.Power, Node: c.Node, Log: c.Log, Peer: c.Peer, Reach: c.Reach, Parent: e.in, Ready: e.ready})
}

func (e *env) ready() error {
	_, err := e.out.WriteString("ready\n")
	return errors.Join(err, e.out.Flush())
}
