package check

import (
	"fmt"
	"strings"
)

// dependency is why one transaction comes before another.
type dependency uint8

const (
	ww dependency = 1 << iota // it wrote the version before
	wr                        // it wrote what the other read
	rw                        // it read what the other overwrote
	rt                        // it ended before the other began
)

var dependencyNames = map[dependency]string{ww: "ww", wr: "wr", rw: "rw", rt: "rt"}

// graph is the dependencies between transactions.
type graph struct {
	txs   []Transaction
	edges []map[int]dependency // several kinds between two are a set of bits
}

// Serializable names what no serial order of the transactions explains; with
// realtime, what no serial order explains that keeps to the clock (strict
// serializability). Nothing found is nil. A history is judged by its reads:
// let a last transaction read every list.
func Serializable(txs []Transaction, realtime bool) []Anomaly {
	l := read(txs)
	g := l.graph()
	if found := append(l.found, g.cycles("")...); len(found) > 0 || !realtime {
		return found
	}
	g.clock()
	return g.cycles("-realtime")
}

func (l *ledger) graph() *graph {
	g := &graph{txs: l.txs, edges: make([]map[int]dependency, len(l.txs))}
	for i := range g.edges {
		g.edges[i] = map[int]dependency{}
	}
	next := map[element]int{} // the element after; of 0, the first
	for list, order := range l.order {
		before := 0
		for _, value := range order {
			next[element{list, before}] = value
			from, known := l.writer[element{list, before}]
			to, written := l.writer[element{list, value}]
			if known && written {
				g.add(from, to, ww)
			}
			before = value
		}
	}
	for i, t := range l.txs {
		if t.Outcome != Committed {
			continue
		}
		l.readEdges(g, i, next)
	}
	return g
}

// readEdges draws what the reads of one transaction say.
func (l *ledger) readEdges(g *graph, i int, next map[element]int) {
	appended := map[string]int{}
	for _, s := range l.txs[i].Steps {
		if s.Element != 0 {
			appended[s.List]++
			continue
		}
		seen, newest := s.Read[:max(0, len(s.Read)-appended[s.List])], 0
		if len(seen) > 0 {
			newest = seen[len(seen)-1]
		}
		if w, known := l.writer[element{s.List, newest}]; known {
			g.add(w, i, wr)
		}
		if value, more := next[element{s.List, newest}]; more {
			if w, known := l.writer[element{s.List, value}]; known {
				g.add(i, w, rw)
			}
			continue
		}
		// The end of what anybody read: whoever committed an append that
		// nobody read comes after.
		for e, w := range l.writer {
			if e.list == s.List && l.txs[w].Outcome == Committed && !contains(l.order[s.List], e.value) {
				g.add(i, w, rw)
			}
		}
	}
}

func contains(list []int, value int) bool {
	for _, v := range list {
		if v == value {
			return true
		}
	}
	return false
}

func (g *graph) add(from, to int, d dependency) {
	if from != to {
		g.edges[from][to] |= d
	}
}

// clock adds that what ended before another began comes before it.
func (g *graph) clock() {
	for i, a := range g.txs {
		for j, b := range g.txs {
			if a.Outcome == Committed && b.Outcome != Aborted && a.End != 0 && a.End < b.Start {
				g.add(i, j, rt)
			}
		}
	}
}

// cycles names the worst cycle of each kind, and of each only the first.
func (g *graph) cycles(suffix string) (found []Anomaly) {
	if g.acyclic() {
		return nil
	}
	for _, kind := range []struct {
		name        string
		first, rest dependency
	}{
		{"G0", ww, ww | rt},
		{"G1c", wr, ww | wr | rt},
		{"G-single", rw, ww | wr | rt},
		{"G2", rw, ww | wr | rw | rt},
	} {
		cycle := g.cycle(kind.first, kind.rest)
		if cycle == "" || kind.name == "G2" && len(found) > 0 && found[len(found)-1].Name == "G-single"+suffix {
			continue
		}
		found = append(found, Anomaly{Name: kind.name + suffix, Why: cycle})
	}
	return found
}

// acyclic is the quick way to say that all is well: it takes away whatever
// nothing comes before, until nothing is left.
func (g *graph) acyclic() bool {
	before := make([]int, len(g.edges))
	for _, edges := range g.edges {
		for to := range edges {
			before[to]++
		}
	}
	var free []int
	for i, n := range before {
		if n == 0 {
			free = append(free, i)
		}
	}
	taken := 0
	for ; taken < len(free); taken++ {
		for to := range g.edges[free[taken]] {
			if before[to]--; before[to] == 0 {
				free = append(free, to)
			}
		}
	}
	return taken == len(g.edges)
}

// cycle finds the shortest way back along edges of the kinds in rest for each
// edge of the kind first, and prints the shortest of all.
func (g *graph) cycle(first, rest dependency) string {
	var shortest []int
	for from := range g.edges {
		for to, d := range g.edges[from] {
			if d&first == 0 {
				continue
			}
			if path := g.path(to, from, rest); path != nil && (shortest == nil || len(path)+1 < len(shortest)) {
				shortest = append([]int{from}, path...)
			}
		}
	}
	if shortest == nil {
		return ""
	}
	var b strings.Builder
	b.WriteString(g.txs[shortest[0]].Name)
	for i := 1; i < len(shortest); i++ {
		d := g.edges[shortest[i-1]][shortest[i]]
		if i == 1 {
			d &= first
		} else {
			d &= rest
		}
		fmt.Fprintf(&b, " -%s-> %s", d&-d, g.txs[shortest[i]].Name)
	}
	return b.String()
}

func (d dependency) String() string { return dependencyNames[d] }

// path is the shortest way along edges of the given kinds.
func (g *graph) path(from, to int, along dependency) []int {
	came := map[int]int{from: from}
	for queue := []int{from}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		if at == to {
			path := []int{to}
			for at != from {
				at = came[at]
				path = append([]int{at}, path...)
			}
			return path
		}
		for next, d := range g.edges[at] {
			if _, seen := came[next]; !seen && d&along != 0 {
				came[next] = at
				queue = append(queue, next)
			}
		}
	}
	return nil
}
