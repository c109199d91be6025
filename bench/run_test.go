package main

import (
	"slices"
	"testing"
)

// TestRoundsDiffer: each round visits every row once, in another order than the one
// before, and nobody always comes right after the same one.
func TestRoundsDiffer(t *testing.T) {
	const rounds = 4
	for rows := range 20 {
		after := map[[2]int]int{}
		var before []int
		for round := range rounds {
			at := order(round, rows)
			for i := range rows {
				if !slices.Contains(at, i) || len(at) != rows {
					t.Errorf("round %d of %d rows visits %v", round, rows, at)
				}
				if i > 0 {
					after[[2]int{at[i-1], at[i]}]++
				}
			}
			if rows > 1 && slices.Equal(at, before) {
				t.Errorf("rounds %d and %d of %d rows visit both %v", round-1, round, rows, at)
			}
			before = at
		}
		for pair, n := range after {
			if n == rounds {
				t.Errorf("of %d rows, row %d comes after row %d in every round", rows, pair[1], pair[0])
			}
		}
	}
}

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
