package doctest

import (
	"go/format"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestGoBlocksAreFormatted: what a page shows is what gofmt writes.
func TestGoBlocksAreFormatted(t *testing.T) {
	for _, blocks := range blocksIn(pages(t), "go") {
		for _, b := range blocks {
			formatted, err := format.Source([]byte(b.body))
			if err != nil || string(formatted) != b.body {
				t.Errorf("%s:%d: the block is not as gofmt writes it (%v):\n%s", b.page, b.line, err, formatted)
			}
		}
	}
}

var makeTarget = regexp.MustCompile("`make\\s+([a-z-]+)")

// TestMakeTargetsExist: every target that a page names in code marks is in the
// Makefile, and every target of the Makefile explains itself in make help.
func TestMakeTargetsExist(t *testing.T) {
	data, err := os.ReadFile(root + "/Makefile")
	if err != nil {
		t.Fatal(err)
	}
	makefile := string(data)
	for name, text := range pages(t) {
		for _, m := range makeTarget.FindAllStringSubmatch(text, -1) {
			if !strings.Contains(makefile, "\n"+m[1]+":") {
				t.Errorf("%s names make %s; the Makefile has no such target", name, m[1])
			}
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^\.PHONY: ([a-z-]+)$`).FindAllStringSubmatch(makefile, -1) {
		if !regexp.MustCompile(`(?m)^` + m[1] + `:[^#\n]*## \S`).MatchString(makefile) {
			t.Errorf("make help does not explain make %s", m[1])
		}
	}
}
