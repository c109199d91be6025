package main

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"math"
	"os"
	"regexp"
	"strings"
	"time"
)

// dashboard is what is drawn of one of Grafana's.
type dashboard struct {
	Title  string  `json:"title"`
	Panels []panel `json:"panels"`
}

type panel struct {
	Type, Title, Description string
	GridPos                  struct{ X, Y, W, H int }
	FieldConfig              struct {
		Defaults struct {
			Unit       string
			Thresholds struct{ Steps []step }
			Mappings   []struct {
				Options map[string]struct{ Text string }
			}
		}
	}
	Targets []struct{ Expr, LegendFormat string }
}

// step is a colour from a value on; the first has none.
type step struct {
	Color string
	Value *float64
}

// Rates are taken over a minute, twelve scrapes of five seconds.
const (
	rateOver = "1m"
	points   = 120
)

// variables are those of Grafana and the dashboard's own, all of which are *All*.
var variables = strings.NewReplacer("$__rate_interval", rateOver, "$job", ".+", "$instance", ".+", "$follower", ".*")

func drawDashboard(ctx context.Context, out io.Writer, name string, from prometheus, over time.Duration) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var d dashboard
	if err := json.Unmarshal(text, &d); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	to := time.Now().Truncate(time.Second)
	var page strings.Builder
	for _, p := range d.Panels {
		drawn, err := p.draw(ctx, from, to.Add(-over), to)
		if err != nil {
			return fmt.Errorf("panel %s: %w", p.Title, err)
		}
		page.WriteString(drawn)
	}
	_, err = fmt.Fprintf(out, dashboardPage, html.EscapeString(d.Title), style, html.EscapeString(d.Title), to.Add(-over).Format(time.TimeOnly), to.Format(time.TimeOnly), page.String())
	return err
}

const dashboardPage = `<!doctype html><meta charset="utf-8"><title>%s</title><style>%s</style>
<h1>%s <small>%s to %s</small></h1><main>%s</main>
`

// draw asks what a panel shows.
func (p *panel) draw(ctx context.Context, from prometheus, begin, end time.Time) (string, error) {
	place := fmt.Sprintf("grid-column:%d/span %d;grid-row:%d/span %d", p.GridPos.X+1, p.GridPos.W, p.GridPos.Y+1, p.GridPos.H)
	if p.Type == "row" {
		return fmt.Sprintf(`<h2 style="%s">%s</h2>`, place, html.EscapeString(p.Title)), nil
	}
	var all []series
	var names []string
	for _, t := range p.Targets {
		got, err := from.ask(ctx, variables.Replace(t.Expr), begin, end, end.Sub(begin)/points)
		if err != nil {
			return "", err
		}
		for _, s := range got {
			all, names = append(all, s), append(names, legend(t.LegendFormat, s.Labels))
		}
	}
	var body string
	switch p.Type {
	case "stat":
		body = p.stat(all)
	case "timeseries":
		body = chart{begin, end, p.FieldConfig.Defaults.Unit, p.GridPos.W*60 - 20, p.GridPos.H*30 - 32}.draw(all, names)
	default:
		return "", fmt.Errorf("a panel of the type %q cannot be drawn", p.Type)
	}
	return fmt.Sprintf(`<section style="%s"><h3>%s</h3>%s</section>`, place, html.EscapeString(p.Title), body), nil
}

var label = regexp.MustCompile(`\{\{\s*(\w+)\s*\}\}`)

// legend is the name of a line.
func legend(format string, labels map[string]string) string {
	return strings.TrimSpace(label.ReplaceAllStringFunc(format, func(m string) string { return labels[label.FindStringSubmatch(m)[1]] }))
}

// stat is the newest value, as large as it is important.
func (p *panel) stat(all []series) string {
	if len(all) == 0 || len(all[0].Points) == 0 {
		return `<p class="stat none">no data</p>`
	}
	v := all[0].Points[len(all[0].Points)-1].v
	text, colour := spell(v, p.FieldConfig.Defaults.Unit), "green"
	for _, m := range p.FieldConfig.Defaults.Mappings {
		if o, ok := m.Options[fmt.Sprint(v)]; ok {
			text = o.Text
		}
	}
	for _, s := range p.FieldConfig.Defaults.Thresholds.Steps {
		if s.Value == nil || v >= *s.Value {
			colour = s.Color
		}
	}
	return fmt.Sprintf(`<p class="stat %s">%s</p>`, html.EscapeString(colour), html.EscapeString(text))
}

// spell writes a value in a unit of Grafana's.
func spell(v float64, unit string) string {
	scaled := func(base float64, units ...string) string {
		i := 0
		for ; i < len(units)-1 && math.Abs(v) >= base; i++ {
			v /= base
		}
		return fmt.Sprintf("%.3g%s", v, units[i])
	}
	switch {
	case math.IsNaN(v):
		return "–"
	case unit == "percentunit":
		return fmt.Sprintf("%.3g %%", 100*v)
	case unit == "bytes":
		return scaled(1024, " B", " KiB", " MiB", " GiB", " TiB")
	case unit == "Bps":
		return scaled(1000, " B/s", " kB/s", " MB/s", " GB/s")
	case unit == "reqps" || unit == "cps" || unit == "ops":
		return scaled(1000, " /s", " k/s", " M/s")
	case unit == "s" && v > 0 && v < 1e-3:
		return fmt.Sprintf("%.3g µs", v*1e6)
	case unit == "s" && v > 0 && v < 1:
		return fmt.Sprintf("%.3g ms", v*1e3)
	case unit == "s":
		return fmt.Sprintf("%.3g s", v)
	}
	return scaled(1000, "", " k", " M", " G")
}
