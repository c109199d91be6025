package flow

import (
	"fmt"
	"html"
	"slices"
	"strings"
)

// Measures of a drawing, in the units of its viewBox.
const (
	line     = 15 // from one line of text to the next
	pad      = 8  // between a box and its text
	gap      = 9  // between boxes
	heading  = 24 // above each kind
	lane     = 11 // between lines that run beside each other
	glyph    = 6.3
	narrowed = 12 // at least so many letters on a line
)

// headings stand above the nodes of a kind.
var headings = map[Kind]string{
	Step: "Steps of the workflow", Operation: "Operations", Group: "Groups: one order each", Feed: "Feed", View: "Derived", Outside: "Outside",
	Read: "Reads", Lease: "Leases", Resource: "Leases",
}

// box is a node with its place.
type box struct {
	Node
	heading   string // empty if the one above has the same
	top, high int
	title     []string
	says      []string
}

// in and out are where lines arrive and leave.
func (b *box) in() int  { return b.top + 13 }
func (b *box) out() int { return b.top + b.high - 9 }

// SVG is the graph as one element, so many units wide, at least 350. What changes goes
// down on the left, what is read on the right. Where the lines of a side would leave no
// room for the boxes, none are drawn, and it says so. Colours are those of the page: --ink,
// --soft, --line, --paper, --tint, --high, --medium, --low.
func (g *Graph) SVG(width int) string {
	if len(g.Nodes) == 0 {
		return ""
	}
	var changes, reads []Edge
	for _, e := range g.Edges {
		if g.Nodes[e.To].Kind == Read {
			reads = append(reads, e)
		} else {
			changes = append(changes, e)
		}
	}
	left, leftLanes := buses(changes)
	right, rightLanes := buses(reads)
	x0 := gutter(leftLanes)
	x1 := width - gutter(rightLanes)
	note := ""
	if len(left) == 0 && len(changes) > 0 || len(right) == 0 && len(reads) > 0 {
		note = "Too many parts for lines between them."
	}
	boxes, height := g.place(x1-x0, note)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="flow" viewBox="0 0 %d %d" role="img" aria-label="%s">`, width, height, html.EscapeString(g.words()))
	if note != "" {
		fmt.Fprintf(&b, `<text class="says" x="%d" y="14">%s</text>`, x0, note)
	}
	for _, one := range boxes {
		one.draw(&b, x0, x1)
	}
	for _, one := range left {
		one.draw(&b, boxes, x0, -1, "change")
	}
	for _, one := range right {
		one.draw(&b, boxes, x1, 1, "read")
	}
	b.WriteString("</svg>")
	return b.String()
}

// gutter is the room for so many lanes.
func gutter(lanes int) int {
	if lanes == 0 {
		return 2
	}
	return lanes*lane + 9
}

// place stacks the boxes, under a note if there is one.
func (g *Graph) place(width int, note string) (boxes []*box, height int) {
	letters := max(narrowed, int(float64(width-2*pad)/glyph))
	y, last := 2, ""
	if note != "" {
		y += line
	}
	for _, n := range g.Nodes {
		b := &box{Node: n, title: wrapped(n.Title, letters*9/10)}
		for _, s := range n.Says {
			b.says = append(b.says, wrapped(s, letters)...)
		}
		if h := headings[n.Kind]; h != last {
			b.heading, last = h, h
			y += heading
		}
		b.top, b.high = y, (len(b.title)+len(b.says))*line+2*pad-3
		y += b.high + gap
		boxes = append(boxes, b)
	}
	return boxes, y
}

func (b *box) draw(w *strings.Builder, x0, x1 int) {
	if b.heading != "" {
		fmt.Fprintf(w, `<text class="band" x="%d" y="%d">%s</text>`, x0, b.top-7, b.heading)
	}
	fmt.Fprintf(w, `<rect class="%s" x="%d" y="%d" width="%d" height="%d" rx="5"/>`, b.Kind, x0, b.top, x1-x0, b.high)
	y := b.top + pad + 9
	for i, text := range slices.Concat(b.title, b.says) {
		class := "says"
		if i < len(b.title) {
			class = "title"
		}
		fmt.Fprintf(w, `<text class="%s" x="%d" y="%d">%s</text>`, class, x0+pad, y, html.EscapeString(text))
		y += line
	}
}

// draw is one line down, with a branch to each box that it ends at. Side is -1 left of
// the boxes and 1 right of them.
func (b *bus) draw(w *strings.Builder, boxes []*box, edge, side int, class string) {
	x := edge + side*(9+b.lane*lane)
	top, bottom := boxes[b.from].out(), boxes[b.to].in()
	fmt.Fprintf(w, `<path class="%s" d="M%d %dV%d`, class, x, top, bottom)
	leaves, ends := map[int]bool{}, map[int]bool{}
	for _, e := range b.edges {
		leaves[e.From], ends[e.To] = true, true
	}
	var heads strings.Builder
	for i, one := range boxes {
		if leaves[i] {
			fmt.Fprintf(w, "M%d %dH%d", edge, one.out(), x)
		}
		if ends[i] {
			fmt.Fprintf(w, "M%d %dH%d", x, one.in(), edge+side*5)
			fmt.Fprintf(&heads, `<path class="%s head" d="M%d %dl%d -4v8z"/>`, class, edge, one.in(), side*6)
		}
	}
	w.WriteString(`"/>`)
	w.WriteString(heads.String())
}

// words say the edges to whoever does not see them.
func (g *Graph) words() string {
	var said []string
	for _, e := range g.Edges {
		said = append(said, g.Nodes[e.From].Title+" to "+g.Nodes[e.To].Title+" ("+e.Label+")")
	}
	if len(said) == 0 {
		return "Nothing flows from one part to another."
	}
	return strings.Join(said, "; ")
}

// wrapped are lines of at most so many letters, wide ones counted twice. A word that is
// longer is cut.
func wrapped(s string, letters int) (lines []string) {
	now, used := "", 0
	flush := func() {
		if used > 0 {
			lines, now, used = append(lines, now), "", 0
		}
	}
	for _, word := range strings.Fields(s) {
		long := 0
		for _, r := range word {
			long += wide(r)
		}
		if used > 0 && used+1+long <= letters {
			now, used = now+" "+word, used+1+long
			continue
		}
		flush()
		for _, r := range word {
			if used+wide(r) > letters {
				flush()
			}
			now, used = now+string(r), used+wide(r)
		}
	}
	flush()
	return lines
}

// wide is two for letters of the scripts that begin with Hangul, and one for others.
func wide(r rune) int {
	if r >= 0x1100 {
		return 2
	}
	return 1
}
