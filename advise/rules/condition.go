package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mainstemdb/mainstem/advise/workload"
)

// Truth is the outcome of a condition. What is not known is neither true nor
// false, and stays unknown through not, all and any (Kleene's logic).
type Truth int

// The three outcomes, in an order in which all is the least and any the greatest.
const (
	False Truth = iota
	Unknown
	True
)

var truthNames = [...]string{"false", "unknown", "true"}

// String is false, unknown or true.
func (t Truth) String() string { return truthNames[t] }

// MarshalText writes the name.
func (t Truth) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// Condition is one sentence of the closed language in which rules ask about a
// workload. Exactly one of Field, Sum, Any, First, All, Not and Some is set; Field and
// Sum go with exactly one comparison. Inside Where a field is named without
// its list.
type Condition struct {
	Field string   `json:"field,omitempty"    yaml:"field"`
	Sum   []string `json:"sum,omitempty"      yaml:"sum"` // the fields are added up

	Is      string   `json:"is,omitempty"       yaml:"is"`
	In      []string `json:"in,omitempty"       yaml:"in"`
	Over    string   `json:"over,omitempty"     yaml:"over"` // a literal, another field, or $threshold
	Under   string   `json:"under,omitempty"    yaml:"under"`
	AtLeast string   `json:"at_least,omitempty" yaml:"at_least"`
	AtMost  string   `json:"at_most,omitempty"  yaml:"at_most"`
	Open    *bool    `json:"open,omitempty"     yaml:"open"` // not answered; the one question about knowledge itself

	Any   []Condition `json:"any,omitempty"   yaml:"any"`
	First []Condition `json:"first,omitempty" yaml:"first"` // the first part that is known decides: an answer before a figure
	All   []Condition `json:"all,omitempty"   yaml:"all"`
	Not   *Condition  `json:"not,omitempty"   yaml:"not"`
	Some  string      `json:"some,omitempty"  yaml:"some"` // a list of which at least one element is as Where says
	Where []Condition `json:"where,omitempty" yaml:"where"`

	Says string `json:"says,omitempty" yaml:"says"` // the same in words
}

// Fact is one comparison that was decided.
type Fact struct {
	Path  string `json:"path"`
	Value string `json:"value"`
	Wants string `json:"wants"` // is yes, over 500 ms
	Says  string `json:"says,omitempty"`
}

// Finding is what a condition came to on one workload.
type Finding struct {
	Truth   Truth    `json:"truth"`
	Facts   []Fact   `json:"facts,omitempty"`   // what made it true or false
	Missing []string `json:"missing,omitempty"` // the fields that would decide it, if it is unknown
}

// Eval asks a workload. It never changes it.
func (c *Condition) Eval(w *workload.Workload) Finding { return c.eval(w, "") }

func (c *Condition) eval(w *workload.Workload, element string) Finding {
	switch {
	case len(c.Any) > 0:
		return combine(w, element, c.Any, True)
	case len(c.First) > 0:
		return c.first(w, element)
	case len(c.All) > 0:
		return combine(w, element, c.All, False)
	case c.Not != nil:
		f := c.Not.eval(w, element)
		f.Truth = True - f.Truth
		return f
	case c.Some != "":
		return c.some(w)
	}
	return c.compare(w, element)
}

// first is the first part that is known; unknown if none is.
func (c *Condition) first(w *workload.Workload, element string) Finding {
	for i := range c.First {
		if f := c.First[i].eval(w, element); f.Truth != Unknown {
			return f
		}
	}
	return combine(w, element, c.First, True)
}

// combine is any if decisive is True, and all if it is False: one decisive part
// decides, then one unknown part leaves it open.
func combine(w *workload.Workload, element string, parts []Condition, decisive Truth) Finding {
	var whole []Finding
	for i := range parts {
		whole = append(whole, parts[i].eval(w, element))
	}
	return merge(whole, decisive)
}

func merge(parts []Finding, decisive Truth) (f Finding) {
	f.Truth = True - decisive
	for _, p := range parts {
		if p.Truth == decisive {
			f.Truth = decisive
			break
		}
		if p.Truth == Unknown {
			f.Truth = Unknown
		}
	}
	for _, p := range parts {
		if p.Truth == f.Truth {
			f.Facts = append(f.Facts, p.Facts...)
			f.Missing = append(f.Missing, p.Missing...)
		}
	}
	slices.Sort(f.Missing)
	f.Missing = slices.Compact(f.Missing)
	return f
}

func (c *Condition) some(w *workload.Workload) Finding {
	n, known := w.Count(c.Some)
	if !known {
		return Finding{Truth: Unknown, Missing: c.Fields()}
	}
	if n == 0 {
		return Finding{Truth: False, Facts: []Fact{{Path: c.Some, Value: "none", Wants: "some"}}}
	}
	var elements []Finding
	for i := range n {
		elements = append(elements, combine(w, fmt.Sprintf("%s[%d]", c.Some, i), c.Where, False))
	}
	return merge(elements, True)
}

// compare decides one comparison of one field, or of a sum of fields.
func (c *Condition) compare(w *workload.Workload, element string) Finding {
	paths := c.Sum
	if c.Field != "" {
		paths = []string{within(element, c.Field)}
	}
	left := workload.Value{Known: true}
	var missing, texts []string
	for _, p := range paths {
		v := w.Get(p)
		left.Kind, left.Text = v.Kind, v.Text
		left.Amount += v.Amount
		texts = append(texts, v.String())
		if !v.Known {
			left.Known = false
			missing = append(missing, p)
		}
	}
	fact := Fact{Path: strings.Join(paths, " + "), Value: strings.Join(texts, " + "), Says: c.Says}
	if c.Open != nil {
		fact.Wants = map[bool]string{true: "open", false: "answered"}[*c.Open]
		return decided(*c.Open != left.Known, fact)
	}
	ok, wants, lacks := c.holds(w, element, left)
	fact.Wants = wants
	if missing = append(missing, lacks...); len(missing) > 0 {
		return Finding{Truth: Unknown, Missing: missing}
	}
	return decided(ok, fact)
}

func decided(ok bool, fact Fact) Finding {
	if ok {
		return Finding{Truth: True, Facts: []Fact{fact}}
	}
	return Finding{Truth: False, Facts: []Fact{fact}}
}

// holds compares with a right-hand side; lacks names a field there that is unknown.
func (c *Condition) holds(w *workload.Workload, element string, left workload.Value) (ok bool, wants string, lacks []string) {
	switch {
	case c.Is != "":
		return left.Text == c.Is, "is " + c.Is, nil
	case len(c.In) > 0:
		return slices.Contains(c.In, left.Text), "is " + strings.Join(c.In, " or "), nil
	}
	word, text := c.comparison()
	right, name := workload.Value{}, text
	if t, isThreshold := threshold(text); isThreshold {
		right, name = t.value, t.Value
	} else if path := within(element, text); isField(path) {
		if right = w.Get(path); !right.Known {
			return false, "", []string{path}
		}
		name = path + ", " + right.Text
	} else if v, err := (workload.Field{Kind: left.Kind}).Parse(text); err == nil {
		right = v
	}
	switch word {
	case "over":
		ok = left.Amount > right.Amount
	case "under":
		ok = left.Amount < right.Amount
	case "at least":
		ok = left.Amount >= right.Amount
	case "at most":
		ok = left.Amount <= right.Amount
	}
	return ok, word + " " + name, nil
}

// comparison is the word and the right-hand side of an ordering.
func (c *Condition) comparison() (word, right string) {
	for _, o := range [...]struct{ word, right string }{
		{"over", c.Over},
		{"under", c.Under},
		{"at least", c.AtLeast},
		{"at most", c.AtMost},
	} {
		if o.right != "" {
			return o.word, o.right
		}
	}
	return "", ""
}

// within is the path of a field inside an element of a list, or as it stands.
func within(element, field string) string {
	if element == "" || strings.Contains(field, ".") {
		return field
	}
	return element + "." + field
}

func isField(path string) bool {
	_, ok := workload.Lookup(path)
	return ok
}

// Fields are the paths of all fields that a condition looks at, sorted; those
// of elements without an index.
func (c *Condition) Fields() []string {
	var paths []string
	c.walk("", func(leaf *Condition, element string) {
		for _, f := range append(slices.Clone(leaf.Sum), leaf.Field) {
			if f != "" {
				paths = append(paths, within(element, f))
			}
		}
		if _, right := leaf.comparison(); isField(within(element, right)) {
			paths = append(paths, within(element, right))
		}
	})
	slices.Sort(paths)
	return slices.Compact(paths)
}

// Thresholds are the names of the thresholds that a condition compares with.
func (c *Condition) thresholds() (names []string) {
	c.walk("", func(leaf *Condition, _ string) {
		if _, right := leaf.comparison(); strings.HasPrefix(right, "$") {
			names = append(names, right[1:])
		}
	})
	return names
}

// parts are the parts of any, first and all.
func (c *Condition) parts() []Condition { return slices.Concat(c.Any, c.First, c.All) }

// walk visits the comparisons of a condition.
func (c *Condition) walk(element string, visit func(leaf *Condition, element string)) {
	switch {
	case c.Not != nil:
		c.Not.walk(element, visit)
	case c.Some != "":
		for i := range c.Where {
			c.Where[i].walk(c.Some+"[]", visit)
		}
	case len(c.parts()) > 0:
		for _, p := range c.parts() {
			p.walk(element, visit)
		}
	default:
		visit(c, element)
	}
}

// Words is a condition in words: its own, or those of its parts.
func (c *Condition) Words() string {
	if c.Says != "" {
		return c.Says
	}
	glue, parts := ", and ", append(slices.Clone(c.All), c.Where...)
	if alternatives := slices.Concat(c.Any, c.First); len(alternatives) > 0 {
		glue, parts = ", or ", alternatives
	}
	if c.Not != nil {
		return "not: " + c.Not.Words()
	}
	var words []string
	for i := range parts {
		words = append(words, parts[i].Words())
	}
	return strings.Join(words, glue)
}
