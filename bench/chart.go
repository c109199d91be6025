package main

import (
	"bytes"
	"fmt"
	"html"
	"maps"
	"math"
	"slices"
	"strings"
)

// The chart is small multiples: a panel per scenario and number of clients, a
// line per system, the runs from left to right, operations per second on a
// logarithmic axis.
const (
	panelsPerRow = 2
	panelWidth   = 480
	panelHeight  = 300
	top          = 64 // room for the title
	left, right  = 52, 150
	above, below = 34, 40
	labelHeight  = 14
)

// colours by system, told apart also by the labels at the ends of the lines.
var colours = map[string]string{
	"mainstem": "#0b5fa5", "bbolt": "#b8480f", "sqlite": "#5d6b73", "redis": "#b3202c", "postgres": "#2f7d4f", "etcd": "#6a4fa3",
	"jetstream": "#a2760a", "jetstream-r3": "#a2760a", "floor-sync": "#111111", "floor-state": "#777777",
	"mainstem-server": "#3f8fcf", "mainstem-on-postgres": "#3f8fcf", "mainstem-on-jetstream": "#3f8fcf", "mainstem-on-jetstream-r3": "#3f8fcf",
}

// called is a system's name at the end of its line, where there is little room.
func called(system string) string { return strings.TrimPrefix(system, "mainstem-") }

// drawn are the scenarios with a panel, and whether each number of clients has
// one or only the highest.
var drawn = []struct {
	scenario string
	every    bool
}{{"cas", true}, {"counter", false}, {"append", false}, {"get", false}, {"mixed", false}}

// panel is one small chart.
type panel struct {
	title string
	runs  []Entry // those that have it
	// lines are operations per second by system, one for each run; 0 is a run
	// without the system.
	lines map[string][]float64
}

// panels are what any run has: a run need not be of all scenarios.
func panels(entries []Entry) (all []panel) {
	var rows []Row
	for i := range entries {
		rows = append(rows, entries[i].Rows...)
	}
	for _, d := range drawn {
		for _, shape := range shapes(rows, d.scenario, d.every) {
			all = append(all, shape.panel(entries))
		}
	}
	return all
}

func (s shape) panel(entries []Entry) panel {
	has := func(r Row) bool { return shapeOf(&r) == s && colours[r.System] != "" }
	p := panel{title: s.title(), lines: map[string][]float64{}}
	for _, e := range entries {
		if slices.ContainsFunc(e.Rows, has) {
			p.runs = append(p.runs, e)
		}
	}
	for n, e := range p.runs {
		for _, row := range e.Rows {
			if !has(row) {
				continue
			}
			if p.lines[row.System] == nil {
				p.lines[row.System] = make([]float64, len(p.runs))
			}
			p.lines[row.System][n] = row.OpsPerS
		}
	}
	return p
}

// shape is what rows of a panel share.
type shape struct {
	scenario string
	clients  int
	keys     int // of get only: there it makes the difference
}

func shapeOf(r *Row) shape {
	s := shape{scenario: r.Scenario, clients: r.Clients}
	if r.Scenario == "get" {
		s.keys = r.Keys
	}
	return s
}

func (s shape) title() string {
	t := fmt.Sprintf("%s, %s clients", s.scenario, thousands(float64(s.clients)))
	if s.clients == 1 {
		t = s.scenario + ", 1 client"
	}
	if s.keys > 0 {
		t += fmt.Sprintf(", %s keys", thousands(float64(s.keys)))
	}
	return t
}

func shapes(rows []Row, scenario string, every bool) (found []shape) {
	most := 0
	for i := range rows {
		if rows[i].Scenario == scenario {
			most = max(most, rows[i].Clients)
		}
	}
	for i := range rows {
		s := shapeOf(&rows[i])
		if s.scenario == scenario && (every || s.clients == most) && !slices.Contains(found, s) {
			found = append(found, s)
		}
	}
	return found
}

// ofNewest are the runs on the machine of the newest: others' figures in a line, or at
// its end, would compare machines.
func ofNewest(entries []Entry) []Entry {
	if len(entries) == 0 {
		return nil
	}
	newest := entries[len(entries)-1].Machine
	return slices.DeleteFunc(slices.Clone(entries), func(e Entry) bool { return e.Machine.CPU != newest.CPU || e.Machine.Cores != newest.Cores })
}

// draw makes the SVG of a history.
func draw(entries []Entry) []byte {
	entries = ofNewest(entries)
	all := panels(entries)
	rows := (len(all) + panelsPerRow - 1) / panelsPerRow
	width, height := panelsPerRow*panelWidth, top+rows*panelHeight
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="Helvetica, Arial, 'DejaVu Sans', sans-serif" font-size="11">`+"\n", width, height, width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", width, height)
	text(&b, 16, 26, `font-size="16" font-weight="bold" fill="#111111"`, "Operations per second, run by run (logarithmic)")
	text(&b, 16, 46, `fill="#444444"`, subtitle(entries))
	for i, p := range all {
		fmt.Fprintf(&b, `<g transform="translate(%d %d)">`+"\n", i%panelsPerRow*panelWidth, top+i/panelsPerRow*panelHeight)
		p.draw(&b)
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

func subtitle(entries []Entry) string {
	if len(entries) == 0 {
		return "no run is recorded yet"
	}
	e := entries[len(entries)-1]
	return fmt.Sprintf("newest: %s, commit %s, %d cores (%s), %s; runs on other machines are in the history, and not drawn",
		e.Date.Format("2006-01-02"), e.Commit, e.Machine.Cores, e.Machine.CPU, e.Machine.Filesystem)
}

// scale turns operations per second into a height.
type scale struct{ low, high float64 }

func (p *panel) scale() scale {
	low, high := math.Inf(1), 1.0
	for _, line := range p.lines {
		for _, v := range line {
			if v > 0 {
				low, high = min(low, v), max(high, v)
			}
		}
	}
	return scale{low: math.Floor(math.Log10(min(low, high)) + 1e-9), high: max(math.Ceil(math.Log10(high)), math.Floor(math.Log10(min(low, high)))+1)}
}

func (s scale) y(v float64) float64 {
	share := (math.Log10(max(v, 1e-9)) - s.low) / (s.high - s.low)
	return panelHeight - below - share*(panelHeight-above-below)
}

func (p *panel) draw(b *bytes.Buffer) {
	s, entries := p.scale(), p.runs
	text(b, left, 18, `font-size="13" font-weight="bold" fill="#111111"`, p.title)
	for power := s.low; power <= s.high; power++ {
		y := s.y(math.Pow(10, power))
		fmt.Fprintf(b, `<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#dddddd"/>`+"\n", left, y, panelWidth-right, y)
		text(b, left-6, y+4, `text-anchor="end" fill="#444444"`, short(math.Pow(10, power)))
	}
	x := func(n int) float64 {
		if len(entries) == 1 {
			return (left + panelWidth - right) / 2
		}
		return left + float64(n)*(panelWidth-left-right)/float64(len(entries)-1)
	}
	days := []int{0, len(entries) - 1}
	for _, n := range slices.Compact(days) {
		anchor := map[bool]string{true: "start", false: "end"}[n == 0 && len(entries) > 1]
		if len(entries) == 1 {
			anchor = "middle"
		}
		text(b, x(n), panelHeight-below+18, `fill="#444444" text-anchor="`+anchor+`"`, entries[n].Date.Format("2006-01-02"))
	}
	for _, name := range slices.Sorted(maps.Keys(p.lines)) {
		var points []string
		for n, v := range p.lines[name] {
			if v > 0 {
				points = append(points, fmt.Sprintf("%.1f,%.1f", x(n), s.y(v)))
				fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`+"\n", x(n), s.y(v), colours[name])
			}
		}
		fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="%s"/>`+"\n", strings.Join(points, " "), colours[name], stroke(name))
	}
	p.label(b, s)
}

func stroke(name string) string {
	if name == "mainstem" {
		return "2.5"
	}
	return "1.5"
}

// label names the lines, with their newest figure, from the top, and moves a name down
// where it would lie on the one above.
func (p *panel) label(b *bytes.Buffer, s scale) {
	last := func(name string) float64 {
		for _, v := range slices.Backward(p.lines[name]) {
			if v > 0 {
				return v
			}
		}
		return 0
	}
	names := slices.Collect(maps.Keys(p.lines))
	slices.SortFunc(names, func(a, b string) int { return int(last(b)) - int(last(a)) })
	free := 0.0
	places := make([]float64, len(names))
	for i, name := range names {
		places[i] = max(s.y(last(name))+4, free)
		free = places[i] + labelHeight
	}
	if over := free - labelHeight - (panelHeight - below + 4); over > 0 { // the lowest names push the others up again
		for i := range slices.Backward(places) {
			places[i] = min(places[i], panelHeight-below+4-float64(len(places)-1-i)*labelHeight)
		}
	}
	for i, name := range names {
		weight := "normal"
		if name == "mainstem" {
			weight = "bold"
		}
		text(b, panelWidth-right+10, places[i], fmt.Sprintf(`fill="%s" font-weight="%s"`, colours[name], weight), called(name)+" "+thousands(last(name)))
	}
}

func text(b *bytes.Buffer, x, y float64, attributes, words string) {
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" %s>%s</text>`+"\n", x, y, attributes, html.EscapeString(words))
}

// short writes powers of ten: 1, 10, 100, 1 k, 10 k, 1 M.
func short(f float64) string {
	switch {
	case f >= 1e6:
		return fmt.Sprintf("%.0f M", f/1e6)
	case f >= 1e3:
		return fmt.Sprintf("%.0f k", f/1e3)
	default:
		return fmt.Sprintf("%.0f", f)
	}
}
