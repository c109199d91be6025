package assistant

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/mainstemdb/mainstem/advise"
	"github.com/mainstemdb/mainstem/advise/numbers"
	"github.com/mainstemdb/mainstem/advise/rules"
	"github.com/mainstemdb/mainstem/advise/sweep"
)

func tools(more []rules.Source) []tool {
	return []tool{
		{
			name: "advise", in: object(described(true)), out: advise.Answer{}, call: adviseTool,
			about: "Turns the description of a workload into ranked decisions, each with its rule, facts, confidence, costs, alternatives and a check; contradictions, failure modes of the architecture in place, boundaries, gates and open questions. Leave out what is not known: it is listed as an assumption.",
		},
		{
			name: "ask", in: askSchema(), out: Asked{}, call: askTool,
			about: "Takes answers into a description, and says what to ask the user next: what matters most first, why it is asked, what not knowing it costs, and who waits for it. Returns the description to send the next time.",
		},
		{
			name: "explain", out: Explained{}, call: explainTool(more),
			about: "Explains the ID of a rule, an anomaly (lost_update), an isolation level of a product (oracle serializable), a consistency model, a threshold, or a symptom in the user's words.",
			in:    object(schema{"term": text("What to explain.", rules.LimitTerm)}, "term"),
		},
		{
			name: "calc", out: Calculated{}, call: calcTool,
			about: "Computes quorums, stale reads, tails, waiting, duplicates, stampedes, capacity: figures with formula, source and assumptions. Without a name it lists the calculators with their inputs; without inputs it computes the example.",
			in: object(schema{
				"name":   schema{"type": "string", "enum": calculatorNames(), "description": "The calculator."},
				"inputs": schema{"type": "object", "additionalProperties": schema{"type": "string"}, "description": "Its inputs with units, by name: {\"n\": \"3\", \"work\": \"2 ms\"}."},
			}),
		},
		{
			name: "diff", out: Differs{}, call: diffTool,
			about: "Says which decisions come, go, or are sure in another way between two descriptions.",
			in:    object(schema{"old": object(described(false)), "new": object(described(false))}, "old", "new"),
		},
		{
			name: "what_if", out: sweep.Result{}, call: whatIfTool,
			about: "Says one field of a description differently, value by value, and tells where decisions flip. Ranges are searched exactly.",
			in: object(described(false).with(schema{
				"field":  text("The field by its path: observed.p99, operations[0].rate.", 200),
				"values": text("FROM..TO, or A,B,C; leave it out for all values of a yes or no, or of a choice.", 2000),
			}), "field"),
		},
		{
			name: "rules", out: Listed{}, call: rulesTool,
			about: "Lists the rules by ID, kind and title; one of them whole, with conditions, reason, costs, checks, an example and counter-examples, if its ID is given.",
			in: object(schema{
				"kind": schema{"type": "string", "enum": ruleKinds(), "description": "Only this kind."},
				"id":   text("The rule to give whole.", 200),
			}),
		},
	}
}

func adviseTool(arguments json.RawMessage) (any, error) {
	var in description
	if err := read(arguments, &in); err != nil {
		return nil, err
	}
	w, err := in.decode()
	if err != nil {
		return nil, err
	}
	return advise.Advise(w), nil
}

// Explained is what explain returns: the best hits first; none if nothing fits.
type Explained struct {
	Hits []rules.Hit `json:"hits"`
}

func explainTool(more []rules.Source) func(json.RawMessage) (any, error) {
	return func(arguments json.RawMessage) (any, error) {
		var in struct {
			Term string `json:"term"`
		}
		if err := read(arguments, &in); err != nil {
			return nil, err
		}
		hits := rules.Explain(in.Term, more...)
		if len(hits) == 0 {
			return nil, fmt.Errorf("nothing fits %q; the tool rules lists what there is", in.Term)
		}
		return Explained{hits}, nil
	}
}

// Calculated is what calc returns: one calculation, or the calculators.
type Calculated struct {
	Calculators []numbers.Calculator `json:"calculators,omitempty"`
	Calculator  *numbers.Calculator  `json:"calculator,omitempty"`
	Said        map[string]string    `json:"said,omitempty"`
	Figures     []numbers.Figure     `json:"figures,omitempty"`
}

func calcTool(arguments json.RawMessage) (any, error) {
	var in struct {
		Name   string            `json:"name"`
		Inputs map[string]string `json:"inputs"`
	}
	if err := read(arguments, &in); err != nil {
		return nil, err
	}
	if in.Name == "" {
		return Calculated{Calculators: numbers.All()}, nil
	}
	calc, ok := numbers.Lookup(in.Name)
	if !ok {
		return nil, fmt.Errorf("no calculator is called %q; without a name, calc lists them", in.Name)
	}
	if len(in.Inputs) == 0 {
		in.Inputs = calc.Example()
	}
	figures, err := calc.Run(maps.Clone(in.Inputs))
	if err != nil {
		return nil, err
	}
	return Calculated{Calculator: &calc, Said: in.Inputs, Figures: figures}, nil
}

// Differs is what diff returns.
type Differs struct {
	Differences []advise.Difference `json:"differences"`
}

func diffTool(arguments json.RawMessage) (any, error) {
	var in struct {
		Old description `json:"old"`
		New description `json:"new"`
	}
	if err := read(arguments, &in); err != nil {
		return nil, err
	}
	before, err := in.Old.decode()
	if err != nil {
		return nil, fmt.Errorf("old: %w", err)
	}
	after, err := in.New.decode()
	if err != nil {
		return nil, fmt.Errorf("new: %w", err)
	}
	return Differs{advise.Diff(advise.Advise(before), advise.Advise(after))}, nil
}

func whatIfTool(arguments json.RawMessage) (any, error) {
	var in struct {
		description
		Field  string `json:"field"`
		Values string `json:"values"`
	}
	if err := read(arguments, &in); err != nil {
		return nil, err
	}
	w, err := in.decode()
	if err != nil {
		return nil, err
	}
	return sweep.Run(w, in.Field, in.Values)
}

// Listed is what rules returns: one rule whole, or what there is.
type Listed struct {
	Rule  *rules.Rule `json:"rule,omitempty"`
	Rules []Entry     `json:"rules,omitempty"`
}

// Entry is a rule in a list.
type Entry struct {
	ID     string     `json:"id"`
	Kind   rules.Kind `json:"kind"`
	Title  string     `json:"title"`
	Source []string   `json:"source,omitempty"` // lines of the guides; none where the rule is ours
}

func rulesTool(arguments json.RawMessage) (any, error) {
	var in struct {
		Kind rules.Kind `json:"kind"`
		ID   string     `json:"id"`
	}
	if err := read(arguments, &in); err != nil {
		return nil, err
	}
	if in.ID != "" {
		r, ok := rules.Lookup(in.ID)
		if !ok || in.Kind != "" && r.Kind != in.Kind {
			return nil, fmt.Errorf("there is no rule %q of that kind; without id, rules lists them", in.ID)
		}
		return Listed{Rule: &r}, nil
	}
	var all []Entry
	for _, r := range rules.All() {
		if in.Kind == "" || r.Kind == in.Kind {
			all = append(all, Entry{r.ID, r.Kind, r.Title, r.Source})
		}
	}
	if len(all) == 0 {
		return nil, errors.New("there are no rules of that kind; kinds are " + fmt.Sprint(slices.Sorted(slices.Values(ruleKinds()))))
	}
	return Listed{Rules: all}, nil
}
