package ask

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/mainstemdb/mainstem/advise/workload"
)

// About is what a question is about.
type About string

// What a question can be about.
const (
	Field   About = "field"   // one value
	Element About = "element" // whether a list has one more element: yes, no, unknown
	Part    About = "part"    // whether a part of the description applies at all: yes, no, unknown
)

// Question is one thing to ask.
type Question struct {
	Path    string            `json:"path"`  // a field with its indexes, a list, or a section
	About   About             `json:"about"` //
	Section string            `json:"section"`
	For     string            `json:"for,omitempty"` // the element that it is about, by its name
	Ask     string            `json:"ask"`
	Why     string            `json:"why"`   // what the answer decides
	Costs   string            `json:"costs"` // what not knowing costs
	Kind    workload.Kind     `json:"kind"`
	Options []workload.Option `json:"options,omitempty"`
	Like    string            `json:"like,omitempty"`    // how a value with a unit is written
	Example string            `json:"example,omitempty"` // of a field, or of an element by its first field
	Rules   []string          `json:"rules,omitempty"`   // who waits for it

	worth int
}

// ofField is the question for a field.
func ofField(w *workload.Workload, s workload.Section, path string, d *demand) Question {
	f, _ := workload.Lookup(path)
	q := Question{
		Path: path, About: Field, Section: s.Title, Ask: f.Ask, Why: f.Why, Costs: f.Unknown,
		Kind: f.Kind, Options: f.Options, Like: f.Kind.Like(), Example: f.Example,
	}
	if f.Kind == workload.YesNo {
		q.Example = ""
	}
	if d != nil {
		q.Rules, q.worth = d.rules, d.worth
	}
	if at := strings.IndexByte(path, ']'); at > 0 {
		name := s.Fields[0].Name
		if path != path[:at+1]+"."+name {
			q.For = elementName(w, path[:at+1], name)
		}
	}
	return q
}

// elementName is what an element is called in questions: by its first field, or
// by its number.
func elementName(w *workload.Workload, element, name string) string {
	if v := w.Get(element + "." + name); v.Known {
		return v.Text
	}
	_, index, _ := strings.Cut(strings.TrimSuffix(element, "]"), "[")
	n, err := strconv.Atoi(index)
	if err != nil {
		return element
	}
	return "number " + strconv.Itoa(n+1)
}

// ofList asks whether a list has an element more than n.
func ofList(s workload.Section, n int, d demand) Question {
	ask := fmt.Sprintf("Is there %s?", s.One)
	switch {
	case n == 1:
		ask = fmt.Sprintf("Is there %s besides this one?", s.One)
	case n > 1:
		ask = fmt.Sprintf("Is there %s besides these %d?", s.One, n)
	}
	return Question{
		Path: listOf(s), About: Element, Section: s.Title, Ask: ask, Why: s.Why, Costs: s.Unknown,
		Kind: workload.YesNo, Example: s.Fields[0].Example, Rules: d.rules, worth: d.worth,
	}
}

// ofPart asks whether a section and what is below it applies.
func ofPart(s workload.Section, d demand) Question {
	return Question{
		Path: s.Path, About: Part, Section: s.Title, Ask: s.Before, Why: s.Why, Costs: s.Unknown,
		Kind: workload.YesNo, Rules: d.rules, worth: d.worth,
	}
}

// reading is what an answer stands for: y and n for yes and no, the number of an
// option for its name, nothing and ? for unknown.
func (q Question) reading(text string) string {
	text = strings.TrimSpace(text)
	switch strings.ToLower(text) {
	case "", "?":
		return workload.Unknown
	case "y":
		if q.Kind == workload.YesNo {
			return "yes"
		}
	case "n":
		if q.Kind == workload.YesNo {
			return "no"
		}
	}
	if n, err := strconv.Atoi(text); err == nil && n >= 1 && n <= len(q.Options) {
		return q.Options[n-1].Name
	}
	return text
}

func listOf(s workload.Section) string { return strings.TrimSuffix(s.Path, "[]") }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
