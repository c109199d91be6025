package workload

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestLimitsArePublished holds the table of the reference against the constants.
func TestLimitsArePublished(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "reference", "limits.md"))
	if err != nil {
		t.Fatal(err)
	}
	scale := map[string]int{"": 1, "B": 1, "MiB": 1 << 20}
	for name, want := range map[string]int{
		"LimitDocument": LimitDocument, "LimitElements": LimitElements, "LimitText": LimitText, "LimitProblems": LimitProblems,
	} {
		row := regexp.MustCompile("(?m)^\\|[^|]+\\| ([0-9,]+) ?([A-Za-z]*) \\| `workload." + name + "` \\|$").FindStringSubmatch(string(page))
		if row == nil {
			t.Errorf("workload.%s has no row in docs/reference/limits.md", name)
			continue
		}
		if said, err := strconv.Atoi(strings.ReplaceAll(row[1], ",", "")); err != nil || said*scale[row[2]] != want {
			t.Errorf("workload.%s is %d, and the page says %s %s", name, want, row[1], row[2])
		}
	}
}
