// Package spelling guesses what a misspelt word was meant to be, for error messages.
package spelling

import "strings"

// Nearest is the known word that word was probably meant to be, or "" if none is
// near: fewer than three letters to change, add, drop or swap, and not all of them.
// Case does not count. (Damerau-Levenshtein distance, without edits inside a swap.)
func Nearest(word string, known []string) string {
	best, least := "", 3
	for _, k := range known {
		if max(len(word), len(k))-min(len(word), len(k)) >= least {
			continue // to compare a long one letter by letter would cost what it is long
		}
		if d := edits(strings.ToLower(word), strings.ToLower(k)); d < min(least, len(k)) {
			best, least = k, d
		}
	}
	return best
}

// edits counts the letters to change, add, drop or swap with their neighbour from
// one word to another.
func edits(a, b string) int {
	var last, row []int // of the two letters before
	next := make([]int, len(b)+1)
	for j := range next {
		next[j] = j
	}
	for i := range len(a) {
		last, row, next = row, next, make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			change := row[j]
			if a[i] != b[j] {
				change++
			}
			next[j+1] = min(change, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], last[j-1]+1)
			}
		}
	}
	return next[len(b)]
}
