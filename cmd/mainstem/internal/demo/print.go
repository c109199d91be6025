package demo

import (
	"fmt"
	"io"
	"strings"

	"charm.land/lipgloss/v2"
)

var (
	bold  = lipgloss.NewStyle().Bold(true)
	faint = lipgloss.NewStyle().Faint(true)
	good  = lipgloss.NewStyle().Foreground(lipgloss.Green)
	bad   = lipgloss.NewStyle().Foreground(lipgloss.Red).Bold(true)
)

// Print writes the report for a person, styled: out takes away what it cannot show.
func (r *Report) Print(out io.Writer) error {
	p := &page{r: r}
	p.head()
	p.table()
	p.foot()
	_, err := io.WriteString(out, p.b.String())
	return err
}

// page is the report being set.
type page struct {
	r *Report
	b strings.Builder
}

func (p *page) linef(format string, args ...any) { fmt.Fprintf(&p.b, format+"\n", args...) }

func (p *page) head() {
	f, what := p.r.Figures, "SIGKILLed"
	if p.r.power {
		what = "cut from power"
	}
	who := "the database"
	if p.r.server {
		who = "the server"
	}
	if p.r.cluster != "" {
		who, what = "one of three nodes on "+p.r.cluster, "SIGKILLed or cut off by "+p.r.Cuts+","
	}
	p.linef("%s", bold.Render("Inventory"))
	p.linef("%s purchases of %d items, %d of which sold out, while %s was %s %d times.",
		thousands(f.Purchases), f.items(), f.outcome.itemsSoldOut, who, what, f.Kills)
	p.linef("")
}

// row is one line of the table; naive is "" where the naive run has no such figure.
func (p *page) row(label, floor, cas, naive string) {
	p.linef("  %-34s %s %s %s", label, right(floor), right(cas), right(naive))
}

const column = 16

func right(s string) string {
	return strings.Repeat(" ", max(0, column-lipgloss.Width(s))) + s
}

func (p *page) table() {
	f, c, n := p.r.Figures, p.r.CAS, p.r.naiveRun
	naive := func(count func(o *outcome) int) string {
		if n == nil {
			return ""
		}
		return thousands(count(n))
	}
	names := [3]string{"add with floor", "compare-and-set"}
	if n != nil {
		names[2] = "naive"
	}
	p.row("", bold.Render(names[0]), bold.Render(names[1]), bold.Render(names[2]))
	p.row("purchases answered", thousands(f.Purchases), thousands(c.Purchases), naive(func(o *outcome) int { return o.bought + o.refused }))
	p.row("  refused as sold out", thousands(f.SoldOut), thousands(c.SoldOut), naive(func(o *outcome) int { return o.refused }))
	p.row("kills", thousands(f.Kills), thousands(c.Kills), naive(func(o *outcome) int { return o.kills }))
	p.row("cut off undecided, sent again", thousands(f.outcome.resent), thousands(c.outcome.resent), "")
	p.row("  got their first receipt", thousands(f.outcome.replayedInRun), thousands(c.outcome.replayedInRun), "")
	p.row("asked again by the audit, same", thousands(f.outcome.replayedAfter), thousands(c.outcome.replayedAfter), "")
	p.linef("")
	p.row("acknowledged, then lost", zero(f.AckedLost), zero(c.AckedLost), "")
	p.row("duplicated", zero(f.Duplicated), zero(c.Duplicated), "")
	oversold := ""
	if n != nil {
		oversold = bad.Render(thousands(int(n.findings.Oversold)))
	}
	p.row("oversold", zero(int(f.Oversold)), zero(int(c.Oversold)), oversold)
	p.row("linearizable", verdict(f.Linearizable), verdict(c.Linearizable), "")
	p.linef("")
	p.row("purchases per second, as paced", fmt.Sprintf("%.0f", f.ThroughputPerS), fmt.Sprintf("%.0f", c.ThroughputPerS), "")
	p.row("answered calls, p50 / p99 ms", pair(f.P50, f.P99), pair(c.P50, c.P99), "")
	p.row("answered calls, p999 ms", milli(f.P999), milli(c.P999), "")
	p.row("unavailable while down, p99 ms", milli(f.UnavailableP99), milli(c.UnavailableP99), "")
	p.row("longest recovery, ms", milli(f.RecoveryMax), milli(c.RecoveryMax), "")
	p.linef("")
}

func (p *page) foot() {
	broken := p.r.Broken()
	for _, run := range []*outcome{p.r.outcome, p.r.CAS.outcome} {
		for _, detail := range run.findings.details {
			p.linef("%s %s", bad.Render("broken:"), detail)
		}
	}
	if len(broken) == 0 {
		p.linef("%s every acknowledged purchase is there once, with its order, its event and its stock.", good.Render("kept:"))
	}
	if p.r.cluster != "" {
		p.linef("%s", faint.Render("The audit looked by a node that had nothing but the log."))
	} else if p.r.power {
		p.linef("%s", faint.Render("Each kill lost what was not synced, as a power cut does."))
	} else {
		p.linef("%s", faint.Render("Kills are not power cuts: the operating system keeps what was written. Try --power."))
	}
	source := "generated"
	if p.r.source != "" {
		source = p.r.source
	}
	p.linef("%s", faint.Render(fmt.Sprintf("Purchases: %s. Repeat with --seed %d. Took %.1f s.", source, p.r.Seed, p.r.elapsed.Seconds())))
	if p.r.kept != "" {
		p.linef("%s", faint.Render("Kept in "+p.r.kept+"; look with: mainstem inspect --dir "+p.r.kept+"/floor/database"))
	}
}

func (f *Figures) items() int {
	seen := map[string]bool{}
	for _, o := range f.outcome.plan.orders {
		seen[o.Item] = true
	}
	return len(seen)
}

func zero(n int) string {
	if n == 0 {
		return good.Render("0")
	}
	return bad.Render(thousands(n))
}

func verdict(s string) string {
	if s == "no" {
		return bad.Render(s)
	}
	return good.Render(s)
}

func milli(f float64) string { return fmt.Sprintf("%.1f", f) }

func pair(a, b float64) string { return milli(a) + " / " + milli(b) }

// thousands writes 38,765.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
