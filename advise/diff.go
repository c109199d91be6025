package advise

import "slices"

// Difference is a decision that differs between two answers.
type Difference struct {
	Rule  string `json:"rule"`
	Title string `json:"title"`
	Old   Level  `json:"old,omitempty"` // the confidence; none if the decision was not there
	New   Level  `json:"new,omitempty"`
}

// Diff are the decisions that differ, in the order of the old answer, and then
// those that come, in the order of the new.
func Diff(before, after *Answer) []Difference {
	all := []Difference{}
	find := func(list []Decision, rule string) *Decision {
		if i := slices.IndexFunc(list, func(d Decision) bool { return d.Rule == rule }); i >= 0 {
			return &list[i]
		}
		return nil
	}
	for _, d := range before.Decisions {
		one := Difference{Rule: d.Rule, Title: d.Title, Old: d.Confidence.Level}
		if other := find(after.Decisions, d.Rule); other != nil {
			one.New = other.Confidence.Level
		}
		if one.Old != one.New {
			all = append(all, one)
		}
	}
	for _, d := range after.Decisions {
		if find(before.Decisions, d.Rule) == nil {
			all = append(all, Difference{Rule: d.Rule, Title: d.Title, New: d.Confidence.Level})
		}
	}
	return all
}
