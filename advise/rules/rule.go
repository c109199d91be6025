package rules

import (
	"bytes"
	"embed"
	"fmt"
	"slices"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/mainstemdb/mainstem/advise/workload"
)

// Kind says what a rule is for.
type Kind string

// The kinds of rules.
const (
	Decision      Kind = "decision"      // what to do
	Failure       Kind = "failure"       // a failure mode: how it shows, and its remedies by speed
	Exposure      Kind = "exposure"      // what an architecture in place is open to
	Contradiction Kind = "contradiction" // requirements that cannot all be had
	Boundary      Kind = "boundary"      // where the adviser says no
	Delegation    Kind = "delegation"    // what it hands on
	Gate          Kind = "gate"          // what has to be true before it goes live
	Example       Kind = "example"       // a worked example
	Principle     Kind = "principle"
	Always        Kind = "always"
	Never         Kind = "never"
	Prefer        Kind = "prefer"
	Pattern       Kind = "pattern"  // a code pattern, with what its illustration leaves out
	Question      Kind = "question" // of the mental model
	Move          Kind = "move"
	FAQ           Kind = "faq"
)

// Rule is one rule of the data.
type Rule struct {
	ID     string      `json:"id"                yaml:"id"`
	Kind   Kind        `json:"kind"              yaml:"kind"`
	Title  string      `json:"title"             yaml:"title"`
	Source []string    `json:"source,omitempty"  yaml:"source"` // lines of the guides: 000:6, or 002:41-63
	When   []Condition `json:"when,omitempty"    yaml:"when"`   // all of them; none is always

	About      *Condition `json:"about,omitempty" yaml:"about"`             // which elements it is about, where its conditions do not say
	InformedBy []string   `json:"informed_by,omitempty" yaml:"informed_by"` // fields that bear on it without being a condition
	Rivals     []string   `json:"rivals,omitempty"      yaml:"rivals"`      // rules that answer the same question differently

	Decide   string        `json:"decide"             yaml:"decide"`
	Reason   string        `json:"reason"             yaml:"reason"`
	Note     string        `json:"note,omitempty"     yaml:"note"` // where the guide has to be read with care
	Instead  []Alternative `json:"instead,omitempty"  yaml:"instead"`
	See      []string      `json:"see,omitempty"      yaml:"see"`
	Prevents []string      `json:"prevents,omitempty" yaml:"prevents"` // anomalies
	Remains  []string      `json:"remains,omitempty"  yaml:"remains"`  // anomalies that it does not prevent
	Opens    []string      `json:"opens,omitempty"    yaml:"opens"`    // anomalies that a failure mode or an exposure lets in
	Costs    []string      `json:"costs,omitempty"    yaml:"costs"`
	Pays     []string      `json:"pays,omitempty"            yaml:"pays"` // of each cost the kind, in the same order
	Verify   []Check       `json:"verify,omitempty"   yaml:"verify"`
	Built    []Part        `json:"built,omitempty"    yaml:"built"`   // what implements it in Mainstem
	Unbuilt  string        `json:"unbuilt,omitempty"  yaml:"unbuilt"` // what to use where nothing here does

	Symptoms []string `json:"symptoms,omitempty" yaml:"symptoms"`
	Causes   []string `json:"causes,omitempty"   yaml:"causes"`
	Detect   string   `json:"detect,omitempty"   yaml:"detect"`
	Fixes    []Fix    `json:"fixes,omitempty"    yaml:"fixes"`

	Bears           []string   `json:"bears,omitempty"            yaml:"bears"`        // the decisions that a contradiction takes the ground from
	Choose          []string   `json:"choose,omitempty"           yaml:"choose"`       // ways out of a contradiction
	Field           string     `json:"field,omitempty"            yaml:"field"`        // of a gate: whether it is passed
	Measure         string     `json:"measure,omitempty"          yaml:"measure"`      // of a gate: what is counted
	Threshold       string     `json:"threshold,omitempty"        yaml:"threshold"`    // of a gate: what it may be
	TurnTo          string     `json:"turn_to,omitempty"          yaml:"turn_to"`      // of a boundary or delegation
	Unanswered      string     `json:"unanswered,omitempty"       yaml:"unanswered"`   // of a delegation
	Nevertheless    string     `json:"nevertheless,omitempty"     yaml:"nevertheless"` // of a boundary: what is right all the same
	NeverthelessIf  *Condition `json:"nevertheless_when,omitempty" yaml:"nevertheless_when"`
	Cases           []Case     `json:"cases,omitempty"            yaml:"cases"` // of a boundary: on both sides of it
	Fires           Said       `json:"example"                    yaml:"example"`
	CounterExamples []Said     `json:"but,omitempty"              yaml:"but"`  // one for each of When
	AlsoFires       []Said     `json:"also,omitempty"             yaml:"also"` // one for each further alternative of an any
}

// Alternative is another way, and why it is not taken.
type Alternative struct {
	Rule   string `json:"rule,omitempty" yaml:"rule"` // another rule, or
	Name   string `json:"name,omitempty" yaml:"name"` // something that is no rule
	WhyNot string `json:"why_not"        yaml:"why_not"`
}

// Check is a command that shows whether something holds, or what is not there yet.
type Check struct {
	Run    string `json:"run,omitempty"     yaml:"run"`
	Shows  string `json:"shows,omitempty"   yaml:"shows"`
	NotYet string `json:"not_yet,omitempty" yaml:"not_yet"`
}

// Part is an identifier of Mainstem, and the file that declares it.
type Part struct {
	What string `json:"what" yaml:"what"`
	In   string `json:"in"   yaml:"in"`
}

// Fix is a remedy, by how soon it can be there: immediate, short-term, long-term.
type Fix struct {
	When string     `json:"when"           yaml:"when"`
	Do   string     `json:"do"             yaml:"do"`
	Rule string     `json:"rule,omitempty" yaml:"rule"`
	Done *Condition `json:"done,omitempty" yaml:"done"` // then it is there already
}

// Case is a system near a boundary.
type Case struct {
	What       string `json:"what"        yaml:"what"`
	TurnedAway bool   `json:"turned_away" yaml:"turned_away"`
	Why        string `json:"why"         yaml:"why"`
	Workload   Said   `json:"workload"    yaml:"workload"`
}

// Said is a workload by path. A list that is none has no elements.
type Said map[string]string

//go:embed data/*.yaml
var data embed.FS

// files are the rules, in the order in which they are listed and ranked.
var files = []string{
	"boundaries.yaml", "decisions.yaml", "failures.yaml", "exposures.yaml", "contradictions.yaml", "examples.yaml",
	"gates.yaml", "guidance.yaml",
}

func readData(name string, to any) error {
	raw, err := data.ReadFile("data/" + name)
	if err != nil {
		return err
	}
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	dec.KnownFields(true)
	if err := dec.Decode(to); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

var ruleTable = sync.OnceValue(func() []Rule {
	var all []Rule
	for _, name := range files {
		var some []Rule
		if err := readData(name, &some); err != nil {
			panic("rules: " + err.Error()) //tidy:panic the embedded data is what TestRules reads
		}
		all = append(all, some...)
	}
	for i := range all {
		conditions := slices.Clone(all[i].When)
		for _, extra := range []*Condition{all[i].About, all[i].NeverthelessIf} {
			if extra != nil {
				conditions = append(conditions, *extra)
			}
		}
		for _, f := range all[i].Fixes {
			if f.Done != nil {
				conditions = append(conditions, *f.Done)
			}
		}
		if err := validateAll(conditions, ""); err != nil {
			panic("rules: " + all[i].ID + ": " + err.Error()) //tidy:panic as above
		}
	}
	return all
})

// All are all rules, in the order of the data. The rules are shared: do not
// change them.
func All() []Rule { return slices.Clone(ruleTable()) }

// Lookup finds a rule by its ID.
func Lookup(id string) (Rule, bool) {
	all := ruleTable()
	i := slices.IndexFunc(all, func(r Rule) bool { return r.ID == id })
	if i < 0 {
		return Rule{}, false
	}
	return all[i], true
}

// Eval asks whether a rule fires. A rule without conditions always does.
func (r *Rule) Eval(w *workload.Workload) Finding { return combine(w, "", r.When, False) }

// Pending are the fields that would decide those parts of its conditions that are
// not known, also where the whole is decided without them: which other
// elements a rule is about that has fired for one. Sorted; none if it is ruled out.
func (r *Rule) Pending(w *workload.Workload) []string {
	paths := pendingAll(w, "", r.When)
	slices.Sort(paths)
	return slices.Compact(paths)
}

// Fields are the paths of all fields in its conditions, sorted.
func (r *Rule) Fields() []string {
	var paths []string
	for i := range r.When {
		paths = append(paths, r.When[i].Fields()...)
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// Thresholds are those that its conditions compare with.
func (r *Rule) Thresholds() []Threshold {
	var used []Threshold
	for i := range r.When {
		for _, name := range r.When[i].thresholds() {
			if t, ok := LookupThreshold(name); ok {
				used = append(used, t)
			}
		}
	}
	return used
}
