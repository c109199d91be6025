package tidy

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// lawCount is the number of laws, L1 to L12. They keep their numbers for
// good: code, tests and failure messages cite them.
const lawCount = 12

var (
	lawName  = regexp.MustCompile(`\bL(\d+)\b`)
	citation = regexp.MustCompile(`\(L\d+(?:,? (?:and )?L\d+)*\)`)
)

// laws asks that ARCHITECTURE.md names every law, and that no citation names
// a law that does not exist.
func laws(t *tree) (bad []violation) {
	for _, f := range t.files {
		if f.path == "ARCHITECTURE.md" {
			bad = append(bad, missingLaws(f)...)
		}
		if f.path == "internal/tidy/law_test.go" {
			continue
		}
		for i, l := range f.lines() {
			for _, c := range citation.FindAllString(l, -1) {
				for _, m := range lawName.FindAllStringSubmatch(c, -1) {
					if n, err := strconv.Atoi(m[1]); err != nil || n < 1 || n > lawCount {
						bad = append(bad, violation{
							path: f.path, line: i + 1, what: "cites " + m[0] + ", which is no law",
							do: fmt.Sprintf("cite one of L1 to L%d", lawCount),
						})
					}
				}
			}
		}
	}
	return bad
}

func missingLaws(f *file) (bad []violation) {
	named := map[string]bool{}
	for _, m := range lawName.FindAllString(string(f.data), -1) {
		named[strings.TrimSpace(m)] = true
	}
	for n := 1; n <= lawCount; n++ {
		if law := fmt.Sprintf("L%d", n); !named[law] {
			bad = append(bad, violation{path: f.path, what: "does not name " + law, do: "state every law under its number"})
		}
	}
	return bad
}

func TestLawGoesRed(t *testing.T) {
	red(t, laws, plant{
		"ARCHITECTURE.md": "L1 L2 L3 L4 L5 L6 L7 L8 L9 L10 L12\n",
		"a.go":            "package a\n\n// It is so (L3), and so (L2, L13).\n// L13 and L0 without brackets are other things.\n",
		"b.md":            "It is (L0).\n",
	},
		"ARCHITECTURE.md: does not name L11",
		"a.go:3: cites L13", "b.md:1: cites L0")
}
