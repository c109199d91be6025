package page

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/mainstemdb/mainstem/advise"
	"github.com/mainstemdb/mainstem/advise/rules"
)

// TestChartIsTheAnswer: each decision and each alternative with a rule is a column, and each
// mark in it is what its rule says, no more and no less.
func TestChartIsTheAnswer(t *testing.T) {
	marks, others := 0, 0
	for name, a := range answers(t) {
		c := tradeOffs(a)
		if len(a.Decisions) == 0 {
			if c.SVG() != "" {
				t.Errorf("%s has no decisions, and a chart", name)
			}
			continue
		}
		for i, col := range c.Columns {
			var r rules.Rule
			if i < len(a.Decisions) {
				d := a.Decisions[i]
				r, _ = rules.Lookup(d.Rule)
				if col.Label != fmt.Sprint(d.Rank) || col.Title != d.Title || col.Level != d.Confidence.Level || col.Instead != "" {
					t.Errorf("%s: column %d is %+v", name, i, col)
				}
			} else {
				others++
				k := slices.IndexFunc(rules.All(), func(r rules.Rule) bool { return r.Title == col.Title })
				r = rules.All()[k]
				if col.Instead == "" || slices.Contains(decided(a), r.ID) {
					t.Errorf("%s: %+v is no alternative", name, col)
				}
			}
			for _, row := range c.Rows {
				cell := row.Cells[i]
				marks += len([]rune(cell.Mark()))
				paid := 0
				for _, kind := range r.Pays {
					if kind == row.Name {
						paid++
					}
				}
				want := cellOf{Prevents: slices.Contains(r.Prevents, row.Name), Costs: paid}
				want.Remains = !want.Prevents && slices.Contains(r.Remains, row.Name)
				if cell != want {
					t.Errorf("%s: %s of %s is %+v, and the rule says %+v", name, row.Name, r.ID, cell, want)
				}
			}
			for _, said := range slices.Concat(r.Prevents, r.Remains, r.Pays) {
				if !slices.ContainsFunc(c.Rows, func(r row) bool { return r.Name == said }) {
					t.Errorf("%s: %s of %s has no row", name, said, r.ID)
				}
			}
		}
		for _, w := range a.Wishes {
			if w.Anomaly != "unknown" && !slices.ContainsFunc(c.Rows, func(r row) bool { return r.Wish && r.Name == w.Anomaly }) {
				t.Errorf("%s: %s must never happen, and is not marked", name, w.Anomaly)
			}
		}
		drawnWell(t, name, c)
	}
	if marks < 300 || others < 10 {
		t.Errorf("%d marks and %d alternatives: this does not see the charts", marks, others)
	}
}

func decided(a *advise.Answer) (ids []string) {
	for _, d := range a.Decisions {
		ids = append(ids, d.Rule)
	}
	return ids
}

// drawnWell counts the marks that are drawn.
func drawnWell(t *testing.T, name string, c chart) {
	t.Helper()
	want, got := map[string]int{}, map[string]int{}
	for _, r := range c.Rows {
		for _, cell := range r.Cells {
			want["pays"] += cell.Costs
			if cell.Prevents {
				want["prevents"]++
			}
			if cell.Remains {
				want["remains"]++
			}
		}
	}
	dec := xml.NewDecoder(strings.NewReader(c.SVG()))
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if start, ok := token.(xml.StartElement); ok {
			for _, a := range start.Attr {
				if a.Name.Local == "class" && slices.Contains([]string{"pays", "prevents", "remains"}, a.Value) {
					got[a.Value]++
				}
			}
		}
	}
	for _, class := range []string{"pays", "prevents", "remains"} {
		if got[class] != want[class] {
			t.Errorf("%s: %d marks %s are drawn of %d", name, got[class], class, want[class])
		}
	}
}

// TestWideChart: a chart of more columns than a phone has room for grows, and can be scrolled.
func TestWideChart(t *testing.T) {
	a := &advise.Answer{}
	for i := range 60 {
		a.Decisions = append(a.Decisions, advise.Decision{Rank: i + 1, Title: "x", Prevents: []string{"lost_update"}, Pays: []string{"code", "code"}, Costs: []string{"a", "b"}})
	}
	if svg := tradeOffs(a).SVG(); !strings.Contains(svg, fmt.Sprintf(`viewBox="0 0 %d `, labels+60*least+2)) {
		t.Errorf("%.200s", svg)
	}
	for n, want := range map[int]string{0: "a", 25: "z", 26: "aa", 27: "ab", 701: "zz"} {
		if got := letter(n); got != want {
			t.Errorf("%d is %s, and not %s", n, got, want)
		}
	}
}
