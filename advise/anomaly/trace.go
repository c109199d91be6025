package anomaly

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Trace is a history: who does what, in which order, and what is seen.
type Trace struct {
	Setup []string `json:"setup,omitempty" yaml:"setup"` // SQL, before the first step
	Steps []Step   `json:"steps"           yaml:"steps"`
	After *Step    `json:"after,omitempty" yaml:"after"` // what is found at the end
}

// Step is one thing that somebody does.
type Step struct {
	By     string         `json:"by,omitempty"     yaml:"by"`
	Does   string         `json:"does"             yaml:"does"`
	SQL    string         `json:"sql,omitempty"    yaml:"sql"`
	Sees   string         `json:"sees,omitempty"   yaml:"sees"`   // the one value that SQL returns, as text
	Writes map[string]int `json:"writes,omitempty" yaml:"writes"` // registers, where there is no SQL
	Reads  map[string]int `json:"reads,omitempty"  yaml:"reads"`  // and what was seen in them
}

// Text is what is done, and what is seen by it.
func (s Step) Text() string {
	seen := []string{}
	if s.Sees != "" {
		seen = append(seen, s.Sees)
	}
	for name, v := range s.Reads {
		seen = append(seen, fmt.Sprintf("%s = %d", name, v))
	}
	slices.Sort(seen)
	if len(seen) == 0 {
		return s.Does
	}
	return s.Does + " → " + strings.Join(seen, ", ")
}

// Who are all that act, in the order of their first steps.
func (t Trace) Who() (who []string) {
	for _, s := range t.Steps {
		if !slices.Contains(who, s.By) {
			who = append(who, s.By)
		}
	}
	return who
}

// Text draws the history with a column for each who acts, time going down, and
// returns lines that end in line feeds.
func (t Trace) Text() string {
	who := t.Who()
	wide := make([]int, len(who))
	for i, name := range who {
		wide[i] = utf8.RuneCountInString(name)
		for _, s := range t.Steps {
			if s.By == name {
				wide[i] = max(wide[i], utf8.RuneCountInString(s.Text()))
			}
		}
	}
	var b strings.Builder
	line := func(mark string, cells map[string]string) {
		row := fmt.Sprintf("%3s", mark)
		for i, name := range who {
			row += "  " + cells[name] + strings.Repeat(" ", wide[i]-utf8.RuneCountInString(cells[name]))
		}
		b.WriteString(strings.TrimRight(row, " ") + "\n")
	}
	heads := map[string]string{}
	for _, name := range who {
		heads[name] = name
	}
	line("", heads)
	for i, s := range t.Steps {
		line(fmt.Sprint(i+1), map[string]string{s.By: s.Text()})
	}
	if t.After != nil {
		fmt.Fprintf(&b, "  =  %s\n", t.After.Text())
	}
	return b.String()
}
