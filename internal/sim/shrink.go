package sim

import "slices"

// Shrink leaves operations out of a failing list for as long as it still
// fails, larger pieces first (delta debugging; Zeller and Hildebrandt, 2002).
// It tries at most limit lists.
func Shrink(list List, limit int, fails func(List) bool) List {
	for size := len(list) / 2; size >= 1; {
		shorter, found := list, false
		for from := 0; from < len(shorter) && limit > 0; {
			candidate := slices.Delete(slices.Clone(shorter), from, min(from+size, len(shorter)))
			limit--
			if fails(candidate) {
				shorter, found = candidate, true
				continue
			}
			from += size
		}
		list = shorter
		if limit <= 0 {
			break
		}
		if !found || size > len(list)/2 {
			size /= 2
		}
	}
	return list
}

// Difference is the first line in which two transcripts differ, or "".
func Difference(want, got []string) string {
	for i := range max(len(want), len(got)) {
		w, g := "(nothing)", "(nothing)"
		if i < len(want) {
			w = want[i]
		}
		if i < len(got) {
			g = got[i]
		}
		if w != g {
			return "want " + w + "\ngot  " + g
		}
	}
	return ""
}
