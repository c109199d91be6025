package node

import (
	"maps"
	"slices"
	"testing"
)

// TestExcess: who hands a partition over, and to whom.
func TestExcess(t *testing.T) {
	for what, c := range map[string]struct {
		count map[string]int
		dead  []string
		me    string
		to    string // nobody, where empty
	}{
		"to the lightest":                {map[string]int{"a": 8, "b": 4, "c": 2}, nil, "a", "c"},
		"a difference of one":            {map[string]int{"a": 6, "b": 5, "c": 5}, nil, "a", ""},
		"a difference of two":            {map[string]int{"a": 6, "b": 5, "c": 4}, nil, "a", "c"},
		"another writes more":            {map[string]int{"a": 8, "b": 6, "c": 2}, nil, "b", ""},
		"as many, and the first by name": {map[string]int{"a": 6, "b": 6, "c": 2}, nil, "a", "c"},
		"as many, and not the first":     {map[string]int{"a": 6, "b": 6, "c": 2}, nil, "b", ""},
		"the heavier one is gone":        {map[string]int{"a": 8, "b": 6, "c": 2}, []string{"a"}, "b", "c"},
		"the lightest one is gone":       {map[string]int{"a": 8, "b": 4, "c": 0}, []string{"c"}, "a", "b"},
		"only they would be lighter":     {map[string]int{"a": 8, "b": 7, "c": 0}, []string{"c"}, "a", ""},
		"the lightest itself":            {map[string]int{"a": 8, "b": 4, "c": 2}, nil, "c", ""},
		"nobody else":                    {map[string]int{"a": 16}, nil, "a", ""},
		"nobody":                         {nil, nil, "a", ""},
	} {
		s := shares{count: c.count, address: map[string]string{}}
		for name := range maps.Keys(c.count) {
			s.address[name] = "at " + name
		}
		for range c.count[c.me] {
			s.mine = append(s.mine, &partition{id: len(s.mine)})
		}
		p, to := s.excess(c.me, func(address string) bool {
			return !slices.ContainsFunc(c.dead, func(name string) bool { return address == "at "+name })
		})
		if to != c.to || (p != nil) != (to != "") {
			t.Errorf("%s: %t, to %q; want %q", what, p != nil, to, c.to)
		}
	}
}
