package main

import "testing"

// TestBest: of a searched setting the value counts that did most, and where arrivals
// do not wait, the one that answered first; one that was not measured never does.
func TestBest(t *testing.T) {
	all, reached := []string{"a", "b", "c"}, map[string]float64{"b": 2, "c": 5}
	if most, least := best(all, reached, false), best(all, reached, true); most != "c" || least != "b" {
		t.Errorf("the most is %q, and the least %q", most, least)
	}
	if most, least := best(all, nil, false), best(all, nil, true); most != "a" || least != "a" {
		t.Errorf("where nothing was answered, %q and %q are as good as any", most, least)
	}
	if got := lower(lower(0, 7), 9); got != 7 {
		t.Errorf("the lower of 7 and 9 is %v", got)
	}
}
