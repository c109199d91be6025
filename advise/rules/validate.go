package rules

import (
	"fmt"
	"strings"

	"github.com/mainstemdb/mainstem/advise/workload"
)

// validate finds what is wrong with a condition as it was written.
func (c *Condition) validate(element string) error {
	forms := 0
	for _, set := range []bool{c.Field != "", len(c.Sum) > 0, len(c.Any) > 0, len(c.First) > 0, len(c.All) > 0, c.Not != nil, c.Some != ""} {
		if set {
			forms++
		}
	}
	if forms != 1 {
		return fmt.Errorf("a condition has exactly one of field, sum, any, first, all, not and some; this has %d", forms)
	}
	switch {
	case c.Not != nil:
		return c.Not.validate(element)
	case c.Some != "":
		if _, known := new(workload.Workload).Count(c.Some); known || element != "" || len(c.Where) == 0 || !hasFields(c.Some) {
			return fmt.Errorf("some: %s is no list, is inside another, or has no where", c.Some)
		}
		return validateAll(c.Where, c.Some+"[]")
	case len(c.parts()) > 0:
		return validateAll(c.parts(), element)
	}
	return c.validateLeaf(element)
}

func validateAll(cs []Condition, element string) error {
	for i := range cs {
		if err := cs[i].validate(element); err != nil {
			return err
		}
	}
	return nil
}

// hasFields is true of the path of a list.
func hasFields(list string) bool {
	for _, s := range workload.Sections() {
		if s.List && s.Path == list+"[]" {
			return true
		}
	}
	return false
}

func (c *Condition) validateLeaf(element string) error {
	comparisons := 0
	for _, set := range []bool{c.Is != "", len(c.In) > 0, c.Over != "", c.Under != "", c.AtLeast != "", c.AtMost != "", c.Open != nil} {
		if set {
			comparisons++
		}
	}
	if comparisons != 1 {
		return fmt.Errorf("%s%s: exactly one comparison is needed; this has %d", c.Field, strings.Join(c.Sum, " + "), comparisons)
	}
	if c.Says == "" {
		return fmt.Errorf("%s%s: says is missing", c.Field, strings.Join(c.Sum, " + "))
	}
	paths := c.Sum
	if c.Field != "" {
		paths = []string{c.Field}
	}
	var kind workload.Kind
	for _, p := range paths {
		f, ok := workload.Lookup(within(element, p))
		if !ok || element == "" && strings.Contains(p, "[") {
			return fmt.Errorf("%s is no field here", within(element, p))
		}
		for _, want := range append([]string{c.Is}, c.In...) {
			if v, err := f.Parse(want); want != "" && (err != nil || !v.Known) {
				return fmt.Errorf("%s is never %s", p, want)
			}
		}
		kind = f.Kind
	}
	return c.validateRight(kind, element)
}

// validateRight holds the right-hand side of an ordering to the kind of the left.
func (c *Condition) validateRight(kind workload.Kind, element string) error {
	_, right := c.comparison()
	if right == "" {
		return nil
	}
	if strings.HasPrefix(right, "$") {
		if t, ok := threshold(right); !ok || t.Kind != kind {
			return fmt.Errorf("%s is no threshold of kind %s", right, kind)
		}
		return nil
	}
	if f, ok := workload.Lookup(within(element, right)); ok {
		if f.Kind != kind {
			return fmt.Errorf("%s is a %s, compared with a %s", right, f.Kind, kind)
		}
		return nil
	}
	if v, err := (workload.Field{Kind: kind}).Parse(right); err != nil || !v.Known {
		return fmt.Errorf("%s is no value of kind %s: %w", right, kind, err)
	}
	return nil
}
