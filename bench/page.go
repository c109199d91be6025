package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/mainstemdb/mainstem/engine/file"
	"github.com/mainstemdb/mainstem/engine/jetstream"
	"github.com/mainstemdb/mainstem/engine/postgres"
	"github.com/mainstemdb/mainstem/journal"
)

// deployment is an engine as somebody runs it. What an acknowledgement means there is
// the engine's own word; the rest is what that costs, and whose part it is.
type deployment struct {
	name    string
	promise journal.Guarantees
	fails   string // what happens when one machine does
	cost    string
	cap     string
	pacelc  string
}

const (
	onPrimary = "writes stop until PostgreSQL has failed over, which is your tool's part; nodes that are left go on at once"
	onRaft    = "the servers that are left choose another leader by themselves, in 4 to 7 s; nodes that are left go on at once"
	asked     = "PC/EC; a read that asks for `Within`, `AtLeast` or `Local` is served by the node at hand: PC/EL"
)

var deployments = []deployment{
	{
		"a directory", file.Promise(), "nobody answers until it is back", "one `fdatasync`, of all that waited while the last one ran",
		"no network, no partition: it is there, or it is not", "nothing to choose: one copy",
	},
	{
		"PostgreSQL alone", postgres.Promise(""), onPrimary, "one round trip and one flush of its log, of all that waited", "CP", asked,
	},
	{
		"PostgreSQL, `ANY 1 (b, c)`", postgres.Promise("ANY 1 (b, c)"), onPrimary + "; a standby that was not asked must not be promoted",
		"the same, and one more round trip and flush, of the faster standby", "CP", asked,
	},
	{
		"PostgreSQL, `ANY 2 (b, c)`", postgres.Promise("ANY 2 (b, c)"), onPrimary + "; no write is acknowledged while a standby is away",
		"the same, of the slower standby", "CP", asked,
	},
	{
		"JetStream, 3 replicas", jetstream.Promise(3), onRaft, "one round trip to the leader, one from there, and a sync on a majority", "CP", asked,
	},
	{
		"JetStream, 5 replicas", jetstream.Promise(5), onRaft, "the same, on three of five", "CP", asked,
	},
}

// aboutEngines is the table of deployments, one section each: it is read for one.
func aboutEngines() string {
	var b strings.Builder
	for i := range deployments {
		d := &deployments[i]
		g, q := d.promise, d.promise.Quorum()
		fmt.Fprintf(&b, "### On %s\n\n| | |\n|---|---|\n", d.name)
		where := "one machine"
		if g.Machines > 1 {
			where = fmt.Sprintf("%d machines", g.Machines)
		}
		means := "it is on stable storage of " + where
		if !g.Synced {
			means = "it is in the memory of " + where
		}
		for _, line := range [][2]string{
			{"an acknowledgement means", means},
			{"copies", fmt.Sprintf("%s: whoever has asked %d of %d has met every acknowledged record", q, q.R, q.N)},
			{"disks that may be lost for good", fmt.Sprint(q.Lost())},
			{"what can still lose it", g.Loses},
			{"when one machine fails", d.fails},
			{"cost of a record", d.cost},
			{"CAP", d.cap},
			{"PACELC", d.pacelc},
		} {
			fmt.Fprintf(&b, "| %s | %s |\n", line[0], line[1])
		}
		b.WriteString("\n")
	}
	return b.String()
}

// aboutLevels is the table of measured reads.
func aboutLevels(r *Report) string {
	var b strings.Builder
	m := r.Machine
	fmt.Fprintf(&b, "Measured %s on %d cores, %s, load average %.1f before, %g s per engine in %d rounds. %s\n\n",
		r.Started.Format("2006-01-02"), m.Cores, m.Filesystem, m.Load1, r.Seconds, r.Rounds, busy(m.Load1, m.Cores))
	b.WriteString("| engine | read | p50 | p99 | stale, p50 | p99 | at most |\n|---|---|---|---|---|---|---|\n")
	for i := range r.Results {
		row := &r.Results[i]
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", row.Settings["engine"], row.Level,
			millis(row.P50), millis(row.P99), millis(row.StaleP50), millis(row.StaleP99), millis(row.StaleMax))
	}
	return b.String()
}

func busy(load float64, cores int) string {
	if load < float64(cores)/2 {
		return "The machine was quiet."
	}
	return "The machine was busy with other work: latencies are worse than they would be."
}

// millis is microseconds as milliseconds; a histogram's least value is nothing.
func millis(us *float64) string {
	switch {
	case us == nil:
		return "–"
	case *us < 0.1:
		return "0"
	default:
		return fmt.Sprintf("%.3g ms", *us/1000)
	}
}

// generated replaces what stands between the two marks of a name.
func generated(page, name, text string) (string, error) {
	begin, end := "<!-- generated: "+name+" -->\n", "<!-- end: "+name+" -->"
	before, rest, found := strings.Cut(page, begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		return "", fmt.Errorf("the page has no %q and %q after it", strings.TrimSpace(begin), end)
	}
	return before + begin + "\n" + strings.TrimSpace(text) + "\n\n" + end + after, nil
}

// newPage is the page as the engines and the figures have it.
func newPage(page, levels string) (string, error) {
	text, err := os.ReadFile(page)
	if err != nil {
		return "", err
	}
	figures, err := os.ReadFile(levels)
	if err != nil {
		return "", err
	}
	var r Report
	if err := json.Unmarshal(figures, &r); err != nil || r.Scenario != "levels" {
		return "", fmt.Errorf("%s is not what -scenario levels -json prints: %w", levels, err)
	}
	whole, err := generated(string(text), "engines", aboutEngines())
	if err != nil {
		return "", err
	}
	return generated(whole, "levels", aboutLevels(&r))
}

func writePage(page, levels string) error {
	text, err := newPage(page, levels)
	if err != nil {
		return err
	}
	return os.WriteFile(page, []byte(text), 0o644)
}
