package main

import (
	"fmt"
	"html"
	"math"
	"strings"
	"time"
)

// style is that of both pages.
const style = `
body{margin:12px;background:#111217;color:#d0d1d6;font:13px/1.35 sans-serif;width:1440px}
h1{font-size:20px;margin:0 0 8px}h1 small{font-size:13px;color:#8b8d98;font-weight:normal}
main{display:grid;grid-template-columns:repeat(24,60px);grid-auto-rows:30px}
h2{font-size:15px;margin:6px 0 0;align-self:center}
section{background:#181b1f;border:1px solid #2a2c33;border-radius:3px;margin:2px;padding:4px 8px;overflow:hidden}
h3{font-size:12px;margin:0;font-weight:600}
.stat{font-size:30px;text-align:center;margin:16px 0}.green{color:#73bf69}.red{color:#f2495c}.orange,.yellow{color:#ff9830}.none{color:#6e7079}
svg{display:block}text{fill:#9fa1ab;font:10px sans-serif}.name{fill:#d0d1d6}.what{font-size:12px}`

var colours = []string{"#73bf69", "#f2cc0c", "#5794f2", "#ff780a", "#e02f44", "#b877d9", "#37872d", "#8ab8ff"}

// chart is the room of some lines over time.
type chart struct {
	begin, end    time.Time
	unit          string
	width, height int
}

const (
	left   = 62 // of the axis
	line   = 13 // of a name
	mostIn = 6  // names that are written
)

func (c chart) draw(all []series, names []string) string {
	if len(all) == 0 {
		return fmt.Sprintf(`<svg width="%d" height="%d"><text x="50%%" y="50%%" text-anchor="middle">no data</text></svg>`, c.width, c.height)
	}
	top := 0.0
	for _, s := range all {
		for _, p := range s.Points {
			if !math.IsNaN(p.v) && !math.IsInf(p.v, 0) {
				top = max(top, p.v)
			}
		}
	}
	each := nice(top / 4)
	bottom := c.height - 14 - line*min(mostIn, len(all))
	x := func(t time.Time) float64 {
		return left + float64(t.Sub(c.begin))/float64(c.end.Sub(c.begin))*float64(c.width-left-6)
	}
	y := func(v float64) float64 {
		return float64(bottom) - v/(each*math.Ceil(max(top/each, 1)))*float64(bottom-8)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg width="%d" height="%d">`, c.width, c.height)
	for v := 0.0; v <= max(top, each)+each/2; v += each {
		if y(v) < 0 {
			break
		}
		fmt.Fprintf(&b, `<path d="M%d %.1fH%d" stroke="#2a2c33"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`, left, y(v), c.width-6, left-5, y(v)+3, spell(v, c.unit))
	}
	for i := range 4 {
		t := c.begin.Add(c.end.Sub(c.begin) * time.Duration(2*i+1) / 8)
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle">%s</text>`, x(t), bottom+11, t.Format(time.TimeOnly))
	}
	for i, s := range all {
		colour := colours[i%len(colours)]
		fmt.Fprintf(&b, `<path d="%s" fill="none" stroke="%s" stroke-width="1.3"/>`, path(s.Points, c.end.Sub(c.begin)/points, x, y), colour)
		if i < mostIn {
			row := bottom + 14 + line*i
			fmt.Fprintf(&b, `<rect x="%d" y="%d" width="10" height="3" fill="%s"/><text class="name" x="%d" y="%d">%s</text><text x="%d" y="%d" text-anchor="end">last %s, max %s</text>`,
				left-50, row+5, colour, left-36, row+10, html.EscapeString(names[i]), c.width-6, row+10, spell(s.Points[len(s.Points)-1].v, c.unit), spell(most(s), c.unit))
		}
	}
	b.WriteString("</svg>")
	return b.String()
}

// path is a line with a gap wherever a point is missing.
func path(points []point, step time.Duration, x func(time.Time) float64, y func(float64) float64) string {
	var b strings.Builder
	var last time.Time
	for _, p := range points {
		if math.IsNaN(p.v) || math.IsInf(p.v, 0) {
			continue
		}
		command := "L"
		if last.IsZero() || p.at.Sub(last) > step*3/2 {
			command = "M"
		}
		fmt.Fprintf(&b, "%s%.1f %.1f", command, x(p.at), y(p.v))
		last = p.at
	}
	return b.String()
}

func most(s series) float64 {
	top := math.NaN()
	for _, p := range s.Points {
		if !math.IsNaN(p.v) && !(p.v <= top) {
			top = p.v
		}
	}
	return top
}

// nice is the next of 1, 2 and 5 with zeros.
func nice(v float64) float64 {
	if v <= 0 {
		return 0.25
	}
	ten := math.Pow(10, math.Floor(math.Log10(v)))
	for _, f := range []float64{1, 2, 5} {
		if f*ten >= v*(1-1e-9) {
			return f * ten
		}
	}
	return 10 * ten
}
