// Package sweep asks what an answer hangs on: it says one field of a workload
// differently, value by value, and finds where the decisions flip.
//
// A range is not only sampled. Rules compare with thresholds, with figures and with
// other fields, and each of these that lies in the range is tried on both sides;
// where two neighbours still differ, the flip between them is bisected to the
// resolution of the field: 1 µs, 1 byte, 0.001 %, 0.001/s, or 1.
package sweep

import (
	"errors"
	"fmt"
	"slices"

	"github.com/mainstemdb/mainstem/advise"
	"github.com/mainstemdb/mainstem/advise/rules"
	"github.com/mainstemdb/mainstem/advise/workload"
)

// Result is one field swept. The zero Result has no spans.
type Result struct {
	Field string `json:"field"`
	Ask   string `json:"ask"`
	Now   string `json:"now"`   // what the description says
	Spans []Span `json:"spans"` // in the order of the values; neighbours in a range differ
}

// Span is a stretch of values with one outcome, or a single value.
type Span struct {
	From    string   `json:"from"` // the first value
	To      string   `json:"to"`   // the last; From if it is one
	Begins  *Edge    `json:"begins,omitempty"`
	Refused string   `json:"refused,omitempty"` // why such a description contradicts itself; then nothing is decided
	Outcome Outcome  `json:"outcome"`
	Changes []Change `json:"changes"` // from the span before that is not refused
}

// Edge is where a span of a range begins.
type Edge struct {
	At       string `json:"at"`
	Included bool   `json:"included"` // At itself belongs to the span; else what is over it
}

// String is "from 500 ms" or "over 500 ms".
func (e *Edge) String() string {
	if e.Included {
		return "from " + e.At
	}
	return "over " + e.At
}

// Outcome is what is decided, by the IDs of rules.
type Outcome struct {
	TurnedAway     []string `json:"turned_away,omitempty"`
	Contradictions []string `json:"contradictions,omitempty"`
	Decisions      []Made   `json:"decisions,omitempty"` // ranked
	Exposures      []string `json:"exposures,omitempty"`
}

// Made is a decision with its confidence.
type Made struct {
	Rule       string       `json:"rule"`
	Confidence advise.Level `json:"confidence"`
}

// Change is one rule that comes, goes, or is sure in another way.
type Change struct {
	Kind  rules.Kind   `json:"kind"`
	Rule  string       `json:"rule"`
	Title string       `json:"title"`
	Old   advise.Level `json:"old,omitempty"` // of a decision that was there: its confidence
	New   advise.Level `json:"new,omitempty"`
	Comes bool         `json:"comes,omitempty"`
	Goes  bool         `json:"goes,omitempty"`
}

// Run says the field at path differently and looks at each outcome. The values are
// FROM..TO, or a,b,c; empty are all values that a yes or no, or a choice, can have.
func Run(w *workload.Workload, path, values string) (*Result, error) {
	if err := w.Exists(path); err != nil {
		return nil, err
	}
	f, _ := workload.Lookup(path)
	said, err := read(f, values)
	if err != nil {
		return nil, fmt.Errorf("sweep: %s: %w", path, err)
	}
	s := &sweeper{w: w.Clone(), path: path, field: f}
	r := &Result{Field: path, Ask: f.Ask, Now: w.Get(path).String()}
	if said.list != nil {
		r.Spans, err = s.each(said.list)
	} else {
		r.Spans, err = s.stretch(said.from, said.to)
	}
	if err != nil {
		return nil, err
	}
	var before *Outcome // of the last span that is not refused
	for i := range r.Spans {
		span := &r.Spans[i]
		span.Changes = []Change{}
		if span.Refused != "" {
			continue
		}
		if before != nil {
			span.Changes = changes(before, &span.Outcome)
		}
		before = &span.Outcome
	}
	return r, nil
}

// sweeper changes one field of a workload of its own.
type sweeper struct {
	w     *workload.Workload
	path  string
	field workload.Field
}

// look is the outcome of one value; refused says why it contradicts the rest.
func (s *sweeper) look(text string) (o Outcome, refused string, err error) {
	if err := s.w.Set(s.path, text); err != nil {
		return o, "", err
	}
	var bad workload.Problems
	if errors.As(s.w.Check(), &bad) {
		return o, bad[0].What, nil
	}
	a := advise.Advise(s.w)
	for _, t := range a.TurnedAway {
		o.TurnedAway = append(o.TurnedAway, t.Rule)
	}
	for _, c := range a.Contradictions {
		o.Contradictions = append(o.Contradictions, c.Rule)
	}
	for _, d := range a.Decisions {
		o.Decisions = append(o.Decisions, Made{d.Rule, d.Confidence.Level})
	}
	for _, e := range a.Exposures {
		o.Exposures = append(o.Exposures, e.Rule)
	}
	return o, "", nil
}

// each makes a span of each value.
func (s *sweeper) each(list []string) (spans []Span, err error) {
	for _, text := range list {
		span := Span{From: text, To: text}
		if span.Outcome, span.Refused, err = s.look(text); err != nil {
			return nil, err
		}
		spans = append(spans, span)
	}
	return spans, nil
}

// changes are what goes, in the order of the old outcome, then what is sure in
// another way or comes, in the order of the new.
func changes(before, after *Outcome) []Change {
	all := []Change{}
	old, now := before.entries(), after.entries()
	for _, e := range old {
		if find(now, e.Rule) == nil {
			e.Goes = true
			all = append(all, e)
		}
	}
	for _, e := range now {
		was := find(old, e.Rule)
		e.Old, e.New = "", e.Old
		switch {
		case was == nil:
			e.Comes = true
			all = append(all, e)
		case was.Old != e.New:
			e.Old = was.Old
			all = append(all, e)
		}
	}
	return all
}

func find(list []Change, rule string) *Change {
	if i := slices.IndexFunc(list, func(c Change) bool { return c.Rule == rule }); i >= 0 {
		return &list[i]
	}
	return nil
}

// entries are all rules of an outcome, with their confidence as the old one.
func (o *Outcome) entries() (all []Change) {
	add := func(id string, level advise.Level) {
		r, _ := rules.Lookup(id)
		all = append(all, Change{Kind: r.Kind, Rule: id, Title: r.Title, Old: level})
	}
	for _, id := range slices.Concat(o.TurnedAway, o.Contradictions) {
		add(id, "")
	}
	for _, d := range o.Decisions {
		add(d.Rule, d.Confidence)
	}
	for _, id := range o.Exposures {
		add(id, "")
	}
	return all
}

// same is true of outcomes between which nothing changes.
func same(a, b *Span) bool {
	return a.Refused == b.Refused && len(changes(&a.Outcome, &b.Outcome)) == 0
}
