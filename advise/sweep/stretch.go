package sweep

import (
	"maps"
	"math"
	"slices"

	"github.com/mainstemdb/mainstem/advise/rules"
	"github.com/mainstemdb/mainstem/advise/workload"
)

// resolution is the least difference between two amounts of a kind that is
// told apart, in base units. A kind without one has no order.
var resolution = map[workload.Kind]float64{
	workload.Duration: 1e-6, workload.Rate: 1e-3, workload.Size: 1, workload.Percent: 1e-3, workload.Number: 1,
}

// samples is how many values of a range are looked at beside those that rules
// compare with.
const samples = 32

// stretch sweeps a range. Values are counted in steps of the resolution, so that
// neighbours are exact.
func (s *sweeper) stretch(from, to float64) ([]Span, error) {
	step := resolution[s.field.Kind]
	first, last := int64(math.Round(from/step)), int64(math.Round(to/step))
	at := s.marks(first, last)
	var starts []int64 // where another fingerprint begins
	before, err := s.fingerprint(first)
	if err != nil {
		return nil, err
	}
	for i := 1; i < len(at); i++ {
		after, err := s.fingerprint(at[i])
		if err != nil {
			return nil, err
		}
		low := at[i-1]
		for before != after { // there may be several flips between two samples
			start, mark, err := s.bisect(low, at[i], before)
			if err != nil {
				return nil, err
			}
			starts = append(starts, start)
			low, before = start, mark
		}
	}
	return s.spans(append([]int64{first}, starts...), last)
}

// bisect finds the first value above low whose fingerprint is not before.
func (s *sweeper) bisect(low, high int64, before string) (start int64, mark string, err error) {
	for high-low > 1 {
		middle := low + (high-low)/2
		at, err := s.fingerprint(middle)
		if err != nil {
			return 0, "", err
		}
		if at == before {
			low = middle
		} else {
			high = middle
		}
	}
	mark, err = s.fingerprint(high)
	return high, mark, err
}

// spans joins what has the same outcome, though rules differ that do not show.
func (s *sweeper) spans(starts []int64, last int64) (spans []Span, err error) {
	for i, start := range starts {
		end := last
		if i+1 < len(starts) {
			end = starts[i+1] - 1
		}
		span := Span{From: s.text(start), To: s.text(end)}
		if span.Outcome, span.Refused, err = s.look(span.From); err != nil {
			return nil, err
		}
		if n := len(spans); n > 0 && same(&spans[n-1], &span) {
			spans[n-1].To = span.To
			continue
		}
		if len(spans) > 0 {
			span.Begins = s.edge(start)
		}
		spans = append(spans, span)
	}
	return spans, nil
}

// edge names the flip between a value and its neighbour below by the one that
// is the rounder figure: over 500 ms, and not from 500.001 ms.
func (s *sweeper) edge(start int64) *Edge {
	below, here := s.text(start-1), s.text(start)
	if s.field.Kind != workload.Number && len(below) <= len(here) {
		return &Edge{At: below}
	}
	return &Edge{At: here, Included: true}
}

func (s *sweeper) text(n int64) string {
	return s.field.Kind.Write(float64(n) * resolution[s.field.Kind])
}

// fingerprint is the truth of each rule at one value, and what contradicts it.
// The outcome follows from it, and it takes a tenth of the time.
func (s *sweeper) fingerprint(n int64) (string, error) {
	if err := s.w.Set(s.path, s.text(n)); err != nil {
		return "", err
	}
	if err := s.w.Check(); err != nil {
		return "refused", nil
	}
	var truths []byte
	for _, r := range rules.All() {
		truths = append(truths, "fut"[r.Eval(s.w).Truth])
	}
	return string(truths), nil
}

// marks are the values to look at, sorted: both ends, samples between them, and
// both sides of each figure that some rule compares with.
func (s *sweeper) marks(first, last int64) []int64 {
	at := map[int64]bool{first: true, last: true}
	for i := range int64(samples) {
		at[first+int64(float64(last-first)*float64(i)/samples)] = true
		if first > 0 { // evenly by ratio as well: ranges of durations span orders of magnitude
			at[int64(float64(first)*math.Pow(float64(last)/float64(first), float64(i)/samples))] = true
		}
	}
	for _, amount := range s.compared() {
		n := int64(math.Round(amount / resolution[s.field.Kind]))
		for _, near := range []int64{n - 1, n, n + 1} {
			if first < near && near < last {
				at[near] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(at))
}

// compared are the amounts of the field's kind that a comparison can meet:
// figures in conditions, thresholds, and what else the description says.
func (s *sweeper) compared() (amounts []float64) {
	for _, t := range rules.Thresholds() {
		if t.Kind == s.field.Kind {
			amounts = append(amounts, t.Amount())
		}
	}
	for _, path := range s.w.Known() {
		if v := s.w.Get(path); v.Kind == s.field.Kind {
			amounts = append(amounts, v.Amount)
		}
	}
	for _, r := range rules.All() {
		for i := range r.When {
			amounts = append(amounts, literals(&r.When[i], s.field.Kind)...)
		}
	}
	return amounts
}

// literals are the figures of a kind that a condition compares with.
func literals(c *rules.Condition, kind workload.Kind) (amounts []float64) {
	for _, text := range []string{c.Over, c.Under, c.AtLeast, c.AtMost} {
		if v, err := (workload.Field{Kind: kind}).Parse(text); err == nil && v.Known {
			amounts = append(amounts, v.Amount)
		}
	}
	parts := slices.Concat(c.Any, c.First, c.All, c.Where)
	if c.Not != nil {
		parts = append(parts, *c.Not)
	}
	for i := range parts {
		amounts = append(amounts, literals(&parts[i], kind)...)
	}
	return amounts
}
