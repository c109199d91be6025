package page

import (
	"fmt"
	"html/template"
	"slices"
	"strings"

	"github.com/mainstemdb/mainstem/advise"
	"github.com/mainstemdb/mainstem/advise/rules"
)

// chart sets what decisions prevent against what they cost, beside the alternatives that
// were not taken.
type chart struct {
	Columns []column
	Rows    []row
}

// column is a decision, or an alternative that is a rule of its own.
type column struct {
	Label   string // the rank of a decision, or a letter
	Title   string
	Instead string // of an alternative: the decisions that it is one to
	Level   advise.Level
	Known   int // of Of facts
	Of      int
}

// row is an anomaly or a kind of costs.
type row struct {
	Name  string
	Wish  bool // must never happen
	Cost  bool
	Cells []cellOf
}

// cellOf is what a column does about a row.
type cellOf struct {
	Prevents, Remains bool
	Costs             int
}

// Mark is the cell as letters.
func (c cellOf) Mark() string {
	switch {
	case c.Prevents:
		return "●"
	case c.Remains:
		return "○"
	}
	return strings.Repeat("■", c.Costs)
}

// effect is what a column stands for.
type effect struct{ prevents, remains, pays []string }

// tradeOffs is the chart of an answer; without decisions it has no columns.
func tradeOffs(a *advise.Answer) chart {
	var c chart
	var effects []effect
	for _, d := range a.Decisions {
		c.Columns = append(c.Columns, column{
			Label: fmt.Sprint(d.Rank), Title: d.Title, Level: d.Confidence.Level, Known: d.Confidence.Known, Of: d.Confidence.Of,
		})
		effects = append(effects, effect{d.Prevents, d.Remains, d.Pays})
	}
	for _, r := range alternatives(a) {
		c.Columns = append(c.Columns, column{Label: letter(len(c.Columns) - len(a.Decisions)), Title: r.rule.Title, Instead: strings.Join(r.of, ", ")})
		effects = append(effects, effect{r.rule.Prevents, r.rule.Remains, r.rule.Pays})
	}
	for _, name := range named(a, effects) {
		r := row{Name: name, Wish: slices.ContainsFunc(a.Wishes, func(w advise.Wish) bool { return w.Anomaly == name })}
		for _, e := range effects {
			prevents := slices.Contains(e.prevents, name)
			r.Cells = append(r.Cells, cellOf{Prevents: prevents, Remains: !prevents && slices.Contains(e.remains, name)})
		}
		c.Rows = append(c.Rows, r)
	}
	for _, k := range rules.CostKinds {
		r, any := row{Name: k.Name, Cost: true}, false
		for _, e := range effects {
			n := 0
			for _, kind := range e.pays {
				if kind == k.Name {
					n++
				}
			}
			any = any || n > 0
			r.Cells = append(r.Cells, cellOf{Costs: n})
		}
		if any {
			c.Rows = append(c.Rows, r)
		}
	}
	return c
}

// alternative is a rule that would have been another way.
type alternative struct {
	rule rules.Rule
	of   []string // ranks
}

// alternatives are the rules that decisions name and that did not fire.
func alternatives(a *advise.Answer) (found []alternative) {
	for _, d := range a.Decisions {
		for _, other := range d.Instead {
			if other.Rule == "" || slices.ContainsFunc(a.Decisions, func(x advise.Decision) bool { return x.Rule == other.Rule }) {
				continue
			}
			i := slices.IndexFunc(found, func(x alternative) bool { return x.rule.ID == other.Rule })
			if i < 0 {
				r, ok := rules.Lookup(other.Rule)
				if !ok {
					continue // an alternative without a rule has no effects that are data
				}
				i, found = len(found), append(found, alternative{rule: r})
			}
			found[i].of = append(found[i].of, fmt.Sprint(d.Rank))
		}
	}
	return found
}

// letter names alternatives: a to z, and then aa.
func letter(n int) string {
	name := string(rune('a' + n%26))
	if n >= 26 {
		return letter(n/26-1) + name
	}
	return name
}

// named are the anomalies of a chart: those that must never happen first, then in the
// order in which the decisions name them.
func named(a *advise.Answer, effects []effect) (names []string) {
	add := func(list ...string) {
		for _, name := range list {
			if name != "unknown" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	for _, w := range a.Wishes {
		add(w.Anomaly)
	}
	for _, e := range effects {
		add(e.prevents...)
	}
	for _, e := range effects {
		add(e.remains...)
	}
	return names
}

// Measures of a chart, in the units of its viewBox.
const (
	chartWidth = 360
	labels     = 158 // room for the names of rows
	least      = 13  // a column
	most       = 30
	high       = 17 // a row
)

// SVG is the chart as one element, 360 units wide or as wide as its columns need.
func (c chart) SVG() string {
	if len(c.Columns) == 0 {
		return ""
	}
	wide := min(most, max(least, (chartWidth-labels)/len(c.Columns)))
	width := max(chartWidth, labels+wide*len(c.Columns)+2)
	var b strings.Builder
	y := 2*high + 8
	var body strings.Builder
	cost := false
	for _, r := range c.Rows {
		if r.Cost && !cost {
			cost = true
			y += 10
			fmt.Fprintf(&body, `<text class="band" x="0" y="%d">costs</text>`, y+11)
			y += high
		}
		r.draw(&body, y, wide, width)
		y += high
	}
	fmt.Fprintf(&b, `<svg class="chart" viewBox="0 0 %d %d" style="min-width:%dpx" role="img" aria-label="%s">`, width, y+4, width*9/10, template.HTMLEscapeString(c.words()))
	fmt.Fprintf(&b, `<text class="band" x="0" y="%d">decision</text><text class="band" x="0" y="%d">confidence</text>`, 12, 12+high)
	for i, col := range c.Columns {
		x := labels + i*wide + wide/2
		class := "decided"
		if col.Instead != "" {
			class = "instead"
			fmt.Fprintf(&b, `<rect class="aside" x="%d" y="0" width="%d" height="%d"/>`, x-wide/2, wide, y)
		}
		fmt.Fprintf(&b, `<text class="%s" text-anchor="middle" x="%d" y="12">%s</text>`, class, x, template.HTMLEscapeString(col.Label))
		if col.Of > 0 {
			tall := max(2, 12*col.Known/col.Of)
			fmt.Fprintf(&b, `<rect class="%s" x="%d" y="%d" width="6" height="%d"/>`, col.Level, x-3, 30-tall, tall)
		}
	}
	b.WriteString(body.String())
	b.WriteString("</svg>")
	return b.String()
}

// draw is one row of a chart.
func (r row) draw(b *strings.Builder, y, wide, width int) {
	class := "name"
	if r.Wish {
		class = "name wish"
	}
	fmt.Fprintf(b, `<path class="rule" d="M0 %dH%d"/><text class="%s" x="0" y="%d">%s</text>`, y+high, width, class, y+12, template.HTMLEscapeString(r.Name))
	for i, cell := range r.Cells {
		x, mid := labels+i*wide+wide/2, y+9
		switch {
		case cell.Prevents:
			fmt.Fprintf(b, `<circle class="prevents" cx="%d" cy="%d" r="4.5"/>`, x, mid)
		case cell.Remains:
			fmt.Fprintf(b, `<circle class="remains" cx="%d" cy="%d" r="3.5"/>`, x, mid)
		}
		for n := range cell.Costs {
			fmt.Fprintf(b, `<rect class="pays" x="%d" y="%d" width="6" height="4"/>`, x-3, mid-2+3*(cell.Costs-1)-6*n)
		}
	}
}

// words say the chart to whoever does not see it.
func (c chart) words() string {
	var said []string
	for i, col := range c.Columns {
		var prevents, pays []string
		for _, r := range c.Rows {
			if r.Cells[i].Prevents {
				prevents = append(prevents, r.Name)
			}
			if r.Cells[i].Costs > 0 {
				pays = append(pays, r.Name)
			}
		}
		one := col.Title + " costs " + strings.Join(pays, ", ")
		if len(prevents) > 0 {
			one += " and prevents " + strings.Join(prevents, ", ")
		}
		said = append(said, one)
	}
	return strings.Join(said, "; ")
}
