package workload

import "fmt"

// didYouMean proposes the nearest of some names, or nothing if none is near.
func didYouMean(got string, names []string) string {
	if near := nearest(got, names); near != "" {
		return fmt.Sprintf(", did you mean %q?", near)
	}
	return ""
}

// nearest is the name that takes the fewest edits, if they are few for its length.
func nearest(got string, names []string) string {
	best, fewest := "", 1+max(1, len(got)/3)
	if len(got) > 100 {
		return ""
	}
	for _, n := range names {
		if d := edits(got, n); d < fewest {
			best, fewest = n, d
		}
	}
	return best
}

// edits is the Levenshtein distance.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			above := row[j+1]
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			row[j+1] = min(cost, above+1, row[j]+1)
			diagonal = above
		}
	}
	return row[len(b)]
}
